"""One training of one contestant, in a process of its own; and all of them in turn."""

from __future__ import annotations

import importlib
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from benchmarks.apart import HASWELL, UNSET, run_apart
from benchmarks.time_to_accuracy.settings import CONTESTANTS, RACES, Settings
from benchmarks.time_to_accuracy.task import Course, Task, follow

__all__ = ["AS_INSTALLED", "EQUAL", "Runs", "measure", "run_once"]

AS_INSTALLED, EQUAL = "as installed", "AVX2 for all"
_ENVIRONMENTS = {AS_INSTALLED: UNSET, EQUAL: HASWELL}

_FIRST_SEED = 10  # those below served to choose settings

Runs = dict[str, list[dict[str, Any]]]


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
