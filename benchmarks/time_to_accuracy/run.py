"""The races, what each contestant trains with in them, and all of them in turn.

Settings were chosen on another seed, by the rule that is measured: of some grids of rates, batches,
rounds and sub-models that candidate which was stopped first.
"""

from __future__ import annotations

import importlib
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import click

from benchmarks.apart import HASWELL, UNSET, run_apart
from benchmarks.time_to_accuracy.task import Course, Task, follow

AS_INSTALLED, EQUAL = "as installed", "AVX2 for all"
_ENVIRONMENTS = {AS_INSTALLED: UNSET, EQUAL: HASWELL}

_FIRST_SEED = 10  # those below served to choose settings

Runs = dict[str, list[dict[str, Any]]]
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
    """A network, the rule that stops training, and what everybody trains with."""

    hidden: int  # units of each of the two hidden layers
    target: float  # accuracy on held-out samples, in %, that stops a training
    marks: tuple[float, ...]  # accuracies on test samples, in %, whose times are noted beside
    goals: dict[str, float]  # how many times faster than that contestant dask_horn is to be
    settings: dict[str, Settings]  # of each contestant, in the order of the tables
    seeds: dict[str, tuple[int, int, int]]  # quick, full, and full with AVX2 for all


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


def measure(folder: Path, full: bool) -> dict[str, dict[str, Runs]]:
    """Let all contestants train in turn, seed after seed: by race, instructions, contestant."""
    columns = {AS_INSTALLED: 1, EQUAL: 2} if full else {AS_INSTALLED: 0}
    with tempfile.TemporaryDirectory() as scratch:
        return {
            race: {
                what: _race(race, what, column, folder, scratch) for what, column in columns.items()
            }
            for race in RACES
        }


def _race(name: str, what: str, column: int, folder: Path, scratch: str) -> Runs:
    race = RACES[name]
    seeds = {contestant: race.seeds[contestant][column] for contestant in race.settings}
    runs: Runs = {contestant: [] for contestant, number in seeds.items() if number}
    for turn in range(max(seeds.values())):
        for contestant, done in runs.items():
            if turn < seeds[contestant]:
                settings, seed = race.settings[contestant], _FIRST_SEED + turn
                environment = _ENVIRONMENTS[what]
                one = run_once(name, contestant, seed, settings, folder, scratch, environment)
                done.append(one)
    return runs


def run_once(
    race: str,
    contestant: str,
    seed: int,
    settings: Settings,
    folder: Path,
    scratch: str,
    environment: Mapping[str, str | None] = UNSET,
) -> dict[str, Any]:
    """Train once; BLAS and OpenMP have two threads where a contestant does not set them."""
    asked = {
        "race": race,
        "contestant": contestant,
        "seed": seed,
        "settings": settings,
        "folder": str(folder),
        "scratch": scratch,
    }
    work = "benchmarks.time_to_accuracy.run:work"
    done: dict[str, Any] = run_apart(work, asked, environment, threads=2)
    stopped = Course.of(done).time_to(RACES[race].target, "held_out")
    after = "not stopped" if math.isnan(stopped) else f"stopped after {stopped:.1f} s"
    click.echo(f"{race}, {contestant}, seed {seed}: {after}")
    return done


def work(asked: dict[str, Any]) -> dict[str, Any]:
    """Do what `run_once` asks for."""
    race = RACES[asked["race"]]
    module, name = CONTESTANTS[asked["contestant"]].split(":")
    contestant = getattr(importlib.import_module(module), name)
    task = Task(asked["folder"], asked["scratch"], race.hidden)
    return follow(contestant, task, asked["seed"], asked["settings"], race.target, race.marks)
