"""The task: MNIST's training samples without 5,000 that are held out, a network, and two marks.

A contestant trains as it likes, and yields a `Checkpoint` now and then: how long it has trained
so far, and what its model would predict. `follow` scores the checkpoints, on the same rows for all
contestants; what that takes counts for none of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

import dask_horn as horn
from benchmarks.datasets import mnist

__all__ = ["Checkpoint", "Contestant", "Course", "Log", "Task", "follow"]

N_HELD_OUT = 5000
Images: TypeAlias = NDArray[np.uint8]


class Checkpoint(NamedTuple):
    """A moment of a training: seconds of training so far, and the model's classes of images."""

    seconds: float
    predict: Callable[[Images], NDArray[Any]]


@dataclass
class Log:
    """What a contestant tells beside its curve: seconds of starting, memory, what it chose."""

    startup: dict[str, float] = field(default_factory=dict)
    peak_rss: float = float("nan")  # MB, of a worker process
    idle_rss: float = float("nan")  # MB, of the same before it trains
    notes: dict[str, Any] = field(default_factory=dict)


#: ``contestant(task, seed, settings, log)`` trains, and yields checkpoints of rising seconds.
Contestant: TypeAlias = Callable[["Task", int, dict[str, Any], Log], Iterator[Checkpoint]]


@dataclass(frozen=True)
class Task:
    """What is to be learnt."""

    folder: str  # of the data sets
    scratch: str  # of Zarr stores
    hidden: int  # units of each of the two hidden layers

    @cached_property
    def train(self) -> tuple[Images, Images]:
        """The 55,000 samples to train on."""
        X, y = mnist(Path(self.folder), "train")
        rows = self._order[N_HELD_OUT:]
        return X[rows], y[rows]

    @cached_property
    def held_out(self) -> tuple[Images, Images]:
        """The 5,000 training samples that the stopping rule looks at."""
        X, y = mnist(Path(self.folder), "train")
        rows = self._order[:N_HELD_OUT]
        return X[rows], y[rows]

    @cached_property
    def test(self) -> tuple[Images, Images]:
        """MNIST's test samples."""
        return mnist(Path(self.folder), "t10k")

    @property
    def store(self) -> str:
        """Location of the samples to train on as Zarr, written where they are not there yet."""
        location = Path(self.scratch) / "train.zarr"
        if not location.exists():
            horn.write_samples(location, *self.train, chunk_bytes=2**20)
        return os.fspath(location)

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.random.default_rng(0).permutation(60_000)


@dataclass(frozen=True)
class Course:
    """How one training went: of each checkpoint its time, and accuracies in %."""

    seconds: list[float]
    held_out: list[float]
    test: list[float]

    @classmethod
    def of(cls, done: dict[str, Any]) -> Course:
        """The curve in what `follow` returns."""
        return cls(done["seconds"], done["held_out"], done["test"])

    def time_to(self, accuracy: float, of: str) -> float:
        """Seconds at which the curve first is that high; NaN if it never is."""
        reached = [i for i, value in enumerate(getattr(self, of)) if value >= accuracy]
        return self.seconds[reached[0]] if reached else float("nan")

    def accuracy_when_stopped(self, accuracy: float) -> float:
        """Test accuracy of the model at which the rule stops; NaN if it never does."""
        reached = [i for i, value in enumerate(self.held_out) if value >= accuracy]
        return self.test[reached[0]] if reached else float("nan")


def follow(
    contestant: Contestant,
    task: Task,
    seed: int,
    settings: dict[str, Any],
    target: float,
    marks: tuple[float, ...],
) -> dict[str, Any]:
    """Score a contestant's checkpoints until the rule has stopped it and its marks are reached.

    The rule: stop when `target` % of the held-out samples are classified right. What comes after
    is only watched, for the times at which the curve of test accuracy first reaches the marks.
    """
    log = Log()
    course = Course([], [], [])
    checkpoints = contestant(task, seed, settings, log)
    for seconds, predict in checkpoints:
        course.seconds.append(seconds)
        for scores, (X, y) in ((course.held_out, task.held_out), (course.test, task.test)):
            scores.append(100 * float(np.mean(predict(X) == y)))
        if max(course.held_out) >= target and max(course.test) >= max(marks):
            break
    checkpoints.close()  # type: ignore[attr-defined]
    return {**asdict(course), **asdict(log)}
