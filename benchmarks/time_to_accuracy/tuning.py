"""How settings are chosen: each candidate on another seed, by the rule that is measured.

    python -m benchmarks.time_to_accuracy.tuning --data FOLDER --race 800 CONTESTANT

The candidate that is stopped first is the one to write into `settings.py`. What was tried is kept
beside the records, for the section to tell.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import click

from benchmarks.datasets import data_option
from benchmarks.time_to_accuracy.run import run_once
from benchmarks.time_to_accuracy.settings import CONTESTANTS, RACES, TRIED, Settings
from benchmarks.time_to_accuracy.task import Course

SEED = 1

_Grid = dict[str, list[Any]]
_TORCH: list[_Grid] = [
    {
        "optimizer": ["sgd"],
        "learning_rate": [0.05, 0.1],
        "batch_size": [64, 128],
        "passes": [3],
        "compile": [False],
    },
    {"optimizer": ["sgd"], "learning_rate": [0.1], "passes": [2, 4], "compile": [False]},
    {
        "optimizer": ["adamw"],
        "learning_rate": [0.0005, 0.001, 0.002],
        "batch_size": [128],
        "passes": [3],
        "compile": [False],
    },
]
_OURS: list[_Grid] = [
    {"n_submodels": [[2], [4], [6], [8]], "learning_rate": [0.002, 0.003]},
    {"n_submodels": [[4], [6]], "n_rounds": [13, 16], "weight_decay": [0.15, None]},
    {"n_submodels": [[2], [4], [8]], "learning_rate": [0.003, 0.004], "batch_size": [64, 128]},
    {"n_rounds": [6, 7, 8, 10], "steps_per_round": [86, 172, 215]},
]
_WIDE_TORCH: list[_Grid] = [
    {"optimizer": ["sgd"], "learning_rate": [0.05, 0.1], "passes": [3], "compile": [False]},
    {"optimizer": ["adamw"], "learning_rate": [0.0003], "passes": [3], "compile": [False]},
]
_WIDE_OURS: list[_Grid] = [
    {"n_submodels": [[8], [16], [32]], "learning_rate": [0.0015, 0.003]},
    {"n_rounds": [4, 6], "batch_size": [64, 128]},
]
_GRIDS = {
    "800": {"dask_horn": _OURS, "PyTorch": _TORCH},
    "4096": {"dask_horn": _WIDE_OURS, "PyTorch": _WIDE_TORCH},
}


@click.command()
@data_option
@click.option("--race", type=click.Choice(list(RACES)), default="800", show_default=True)
@click.option("--grid", help='JSON, instead of the grid of the contestant: {"passes": [2, 3], …}.')
@click.argument("contestant", type=click.Choice(list(CONTESTANTS)))
def main(folder: Path, race: str, grid: str | None, contestant: str) -> None:
    """Train once with each candidate; add what came out to what was tried before."""
    kind = "dask_horn" if contestant.startswith("dask_horn") else "PyTorch"
    grids = [json.loads(grid)] if grid else _GRIDS[race][kind]
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for settings in _candidates(race, contestant, grids):
            done = run_once(race, contestant, SEED, settings, folder, scratch)
            rows.append(_row(race, settings, Course.of(done)))
            click.echo(json.dumps(rows[-1]))
            _keep(race, contestant, rows[-1])
    best = min(rows, key=lambda row: row["seconds"] or math.inf)
    click.echo(f"Stopped first: {json.dumps(best)}")


def _candidates(
    race: str, contestant: str, grids: list[dict[str, list[Any]]]
) -> Iterator[Settings]:
    """All with all, of each grid; what a grid does not name is as in `settings.py`."""
    for grid in grids:
        for values in product(*grid.values()):
            chosen = dict(zip(grid, values, strict=True))
            yield {**RACES[race].settings[contestant], **chosen}


def _row(race: str, settings: Settings, course: Course) -> dict[str, Any]:
    target = RACES[race].target
    times = [course.time_to(target, "held_out"), course.accuracy_when_stopped(target)]
    times += [course.time_to(mark, "test") for mark in RACES[race].marks]
    stopped, test, *marks = (None if math.isnan(value) else value for value in times)
    return {
        "settings": settings,
        "seconds": stopped,
        "test": test,
        "marks": marks,
        "best held out": max(course.held_out),
        "all": course.seconds[-1],
    }


def _keep(race: str, contestant: str, row: dict[str, Any]) -> None:
    tried = json.loads(TRIED.read_text()) if TRIED.exists() else {}
    tried.setdefault(race, {}).setdefault(contestant, []).append(row)
    TRIED.parent.mkdir(parents=True, exist_ok=True)
    TRIED.write_text(json.dumps(tried, indent=1) + "\n")


if __name__ == "__main__":
    main()
