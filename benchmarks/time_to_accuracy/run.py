"""One training of one contestant, in a process of its own; and all of them in turn."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.apart import run_apart
from benchmarks.time_to_accuracy.settings import CONTESTANTS, RACES
from benchmarks.time_to_accuracy.task import Task, follow

__all__ = ["measure", "run_once"]


def measure(folder: Path, full: bool) -> dict[str, Any]:
    """Let all contestants train in turn, seed after seed."""
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, race in RACES.items():
            runs: dict[str, list[Any]] = {contestant: [] for contestant in race.settings}
            for turn in range(max(race.turns(one, full) for one in runs)):
                for contestant, done in runs.items():
                    if turn >= race.turns(contestant, full):
                        continue
                    done.append(
                        run_once(name, contestant, turn, race.settings[contestant], folder, scratch)
                    )
            measured[name] = runs
    return measured


def run_once(
    race: str, contestant: str, seed: int, settings: dict[str, Any], folder: Path, scratch: str
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
    done: dict[str, Any] = run_apart("benchmarks.time_to_accuracy.run:work", asked, threads=2)
    reached = [
        f"{seconds:.1f} s"
        for seconds, accuracy in zip(done["seconds"], done["held_out"], strict=True)
        if accuracy >= RACES[race].target
    ]
    click.echo(f"{race}, {contestant}, seed {seed}: {reached[0] if reached else 'not reached'}")
    return done


def work(asked: dict[str, Any]) -> dict[str, Any]:
    """Do what `run_once` asks for."""
    race = RACES[asked["race"]]
    module, name = CONTESTANTS[asked["contestant"]].split(":")
    contestant = getattr(importlib.import_module(module), name)
    task = Task(asked["folder"], asked["scratch"], race.hidden)
    return follow(contestant, task, asked["seed"], asked["settings"], race.target, race.marks)
