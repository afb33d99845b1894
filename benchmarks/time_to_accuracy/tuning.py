"""How the settings were chosen: every candidate on a seed of its own, by the rule that is measured.

    python -m benchmarks.time_to_accuracy.tuning --data FOLDER --race 800 CONTESTANT

The candidate that is stopped first is the one to write into `settings.py`; what was tried is kept
beside the records, so that the section can tell it.
"""

from __future__ import annotations

import json
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import click

from benchmarks.datasets import data_option
from benchmarks.time_to_accuracy.run import run_once
from benchmarks.time_to_accuracy.settings import CONTESTANTS, RACES, TRIED
from benchmarks.time_to_accuracy.task import Course

SEED = 100


@click.command()
@data_option
@click.option("--race", type=click.Choice(list(RACES)), default="800", show_default=True)
@click.option("--grid", default="{}", help="JSON: values of each setting to try, all with all.")
@click.argument("contestant", type=click.Choice(list(CONTESTANTS)))
def main(folder: Path, race: str, grid: str, contestant: str) -> None:
    """Train once with each combination; add what came out to what was tried before."""
    values = json.loads(grid)
    with tempfile.TemporaryDirectory() as scratch:
        for combination in product(*values.values()):
            settings = {
                **RACES[race].settings[contestant],
                **dict(zip(values, combination, strict=True)),
            }
            done = run_once(race, contestant, SEED, settings, folder, scratch)
            course = Course(done["seconds"], done["held_out"], done["test"])
            target, marks = RACES[race].target, RACES[race].marks
            row = {
                "settings": settings,
                "seconds": course.time_to(target, "held_out"),
                "test": course.test_when_stopped(target),
                "marks": [course.time_to(mark, "test") for mark in marks],
                "best held out": max(course.held_out),
                "all": course.seconds[-1],
            }
            click.echo(json.dumps(row))
            _keep(race, contestant, row)


def _keep(race: str, contestant: str, row: dict[str, Any]) -> None:
    tried = json.loads(TRIED.read_text()) if TRIED.exists() else {}
    tried.setdefault(race, {}).setdefault(contestant, []).append(row)
    TRIED.parent.mkdir(parents=True, exist_ok=True)
    TRIED.write_text(json.dumps(tried, indent=1) + "\n")


if __name__ == "__main__":
    main()
