"""The races, and what each contestant trains with in them.

Settings were chosen on another seed, by the rule that is measured: of some grids of rates, batches,
rounds and sub-models that candidate which was stopped first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["CONTESTANTS", "RACES", "Race", "Settings"]

Settings: TypeAlias = dict[str, Any]

#: Names in tables, and where the contestants are: ``module:function`` as `task.Contestant` says.
#: One more is added here, and to the settings and seeds of the races that it takes part in.
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
    seeds : dict of str to (int, int, int)
        How many each contestant trains with: in the quick form, in the full one, and in the full
        one once more with AVX2 for all.
    """

    hidden: int
    target: float
    marks: tuple[float, ...]
    goals: dict[str, float]
    settings: dict[str, Settings]
    seeds: dict[str, tuple[int, int, int]]


_OURS_800 = {
    "n_submodels": [4],
    "concentration": None,
    "n_rounds": 8,
    "steps_per_round": 172,
    "batch_size": 128,
    "learning_rate": 0.003,
    "checkpoint_every": 100,  # never: no parent is saved in between
}
_TORCH_800 = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 128, "passes": 3}
_OURS_4096 = {
    "n_submodels": [16],
    "concentration": None,
    "n_rounds": 6,
    "steps_per_round": 215,
    "batch_size": 128,
    "learning_rate": 0.003,
    "checkpoint_every": 100,
}
_TORCH_4096 = {"optimizer": "sgd", "learning_rate": 0.05, "batch_size": 128, "passes": 3}

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
            "dask_horn, cluster": (1, 5, 2),
            "dask_horn, threads": (1, 3, 0),
            "PyTorch, one process": (1, 5, 2),
            "PyTorch DDP": (1, 3, 0),
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
        seeds={"dask_horn, cluster": (1, 3, 0), "PyTorch, one process": (0, 1, 0)},
    ),
}
