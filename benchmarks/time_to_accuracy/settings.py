"""What each contestant trains with, chosen by `tuning.py`, and the tasks it is chosen for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.benchmark import HERE

__all__ = ["CONTESTANTS", "RACES", "TRIED", "Race"]

#: What `tuning.py` has tried.
TRIED = HERE / "records" / "time_to_accuracy_tuning.json"

#: Names in tables, and where the contestants are: ``module:function`` as `task.Contestant` says.
#: Others are added here, and to `Race.settings`.
CONTESTANTS: Mapping[str, str] = {
    "dask_horn, cluster": "benchmarks.time_to_accuracy.ours:on_a_cluster",
    "dask_horn, threads": "benchmarks.time_to_accuracy.ours:on_threads",
    "PyTorch, one process": "benchmarks.time_to_accuracy.peers:one_process",
    "PyTorch DDP": "benchmarks.time_to_accuracy.peers:ddp",
}


@dataclass(frozen=True)
class Race:
    """A network, the rule that stops training, and what everybody trains with.

    Attributes
    ----------
    hidden : int
        Units of each of the two hidden layers.
    target : float
        Accuracy on held-out samples, in %, that stops a training.
    marks : tuple of float
        Accuracies on test samples, in %, whose times are noted beside.
    goals : dict of str to float
        How many times faster than that contestant dask_horn is to be.
    settings : dict of str to dict
        Of each contestant, in the order of the tables.
    seeds : dict of str to (int, int)
        How many each contestant trains with, in the quick form and in the full one.
    """

    hidden: int
    target: float
    marks: tuple[float, ...]
    goals: dict[str, float]
    settings: dict[str, dict[str, Any]]
    seeds: dict[str, tuple[int, int]]

    def turns(self, contestant: str, full: bool) -> int:
        """How many seeds a contestant trains with."""
        return self.seeds[contestant][full]


_OURS_800 = {
    "n_submodels": [4],
    "n_rounds": 15,
    "steps_per_round": 86,
    "learning_rate": 0.003,
}
_TORCH_800 = {"optimizer": "adamw", "learning_rate": 0.001, "batch_size": 128, "passes": 3}
_OURS_4096 = {
    "n_submodels": [8],
    "n_rounds": 15,
    "steps_per_round": 86,
    "learning_rate": 0.001,
}
_TORCH_4096 = {"optimizer": "adamw", "learning_rate": 0.0005, "batch_size": 128, "passes": 3}

RACES: Mapping[str, Race] = {
    "800": Race(
        hidden=800,
        target=98.0,
        marks=(98.0, 98.3),
        goals={"PyTorch, one process": 3.0, "PyTorch DDP": 6.0},
        settings={
            "dask_horn, cluster": _OURS_800,
            "dask_horn, threads": _OURS_800,
            "PyTorch, one process": _TORCH_800,
            "PyTorch DDP": _TORCH_800,
        },
        seeds={
            "dask_horn, cluster": (1, 5),
            "dask_horn, threads": (1, 5),
            "PyTorch, one process": (1, 5),
            "PyTorch DDP": (1, 5),
        },
    ),
    "4096": Race(
        hidden=4096,
        target=98.0,
        marks=(98.0, 98.2),
        goals={"PyTorch, one process": 8.0},
        settings={
            "dask_horn, cluster": _OURS_4096,
            "PyTorch, one process": _TORCH_4096,
        },
        seeds={"dask_horn, cluster": (1, 3), "PyTorch, one process": (0, 1)},
    ),
}
