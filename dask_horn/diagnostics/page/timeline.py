"""Who does what when: trainings, merges and scores of each worker, and what each achieves."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

from dask_horn.diagnostics.page.state import Run

_SOON = 3.0  # seconds in which a training that goes on has told of itself


class Bar(NamedTuple):
    """A task on the timeline: a tuple, since thousands are made for each look.

    Attributes
    ----------
    key : tuple
        What it is, whatever its length.
    worker : str
    stage : {"train", "merge", "score"}
    round : int
        Counted from 1.
    start, end : float
        In seconds since 1970; `end` is the last that is known where it goes on.
    words : str
        Which sub-model it is.
    """

    key: tuple[Any, ...]
    worker: str
    stage: str
    round: int
    start: float
    end: float
    words: str


@dataclass(frozen=True)
class Share:
    """What a worker has done in the newest round.

    Attributes
    ----------
    worker : str
    rate : float
        Samples that it has trained on in a second of its training.
    busy : float
        Part of the round in which it trained.
    """

    worker: str
    rate: float
    busy: float


def bars(run: Run) -> list[Bar]:
    """Return what is known of all tasks, by their start."""
    found = [
        Bar(
            ("train", one.round, cell.group, cell.submodel),
            cell.worker,
            "train",
            one.round,
            cell.started,
            cell.started + cell.seconds,
            f"group {cell.group}, sub-model {cell.submodel}",
        )
        for one in run.rounds.values()
        for cell in one.cells
        if cell.started
    ]
    found += [
        Bar(
            ("train", one.round + 1, one.group, one.submodel),
            one.worker,
            "train",
            one.round + 1,
            one.time - one.seconds,
            one.time,
            f"group {one.group}, sub-model {one.submodel}",
        )
        for one in run.training.values()
        if one.round + 1 not in run.rounds
    ]
    found += [
        Bar(key, one.worker, one.stage, one.round + 1, one.started, one.started + one.seconds, "")
        for key, one in run.tasks.items()
    ]
    return sorted(found, key=attrgetter("start"))


def shares(run: Run) -> list[Share]:
    """Return what each worker has done in the newest round, in the order of their numbers."""
    newest = run.newest
    if newest is None or not newest.cells:
        return []
    samples: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for cell in newest.cells:
        n = cell.samples or newest.samples / len(newest.cells)
        samples[cell.worker] = samples.get(cell.worker, 0.0) + n
        seconds[cell.worker] = seconds.get(cell.worker, 0.0) + cell.seconds
    return [
        Share(
            worker,
            samples[worker] / seconds[worker] if seconds[worker] else 0.0,
            min(1.0, seconds[worker] / newest.seconds) if newest.seconds else 0.0,
        )
        for worker in run.numbers()
        if worker in samples
    ]
