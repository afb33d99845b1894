"""What a run is doing at a moment, and how long it will take yet, as far as that can be known."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from dask_horn.diagnostics.page.state import Run

_RECENT = 5  # rounds whose median tells how long the next will take
_SILENT = 60.0  # seconds without a record after which it is said that there is none
_SILENT_ROUNDS = 10  # and so many times as long as a round takes


@dataclass(frozen=True)
class Status:
    """What a run is doing.

    Attributes
    ----------
    kind : {"preparing", "training", "waiting", "silent", "ended", "failed"}
    words : str
        A few words.
    details : str
        More, where there is more to say.
    """

    kind: str
    words: str
    details: str = ""


@dataclass(frozen=True)
class Left:
    """How long a run will take yet.

    Attributes
    ----------
    seconds : float or None
        None where it is not known yet.
    why : str
        Why it is not known, or what it leaves out.
    """

    seconds: float | None
    why: str = ""


def rounds_in_all(run: Run) -> int:
    """Count the rounds that the run is to have; 0 where that is not known."""
    return len(run.plans)


def rounds_done(run: Run) -> int:
    """Count the merged rounds, those of before a resumed run began too."""
    if run.newest is not None:
        return run.newest.round
    return 0 if run.begun is None else int(run.begun["first_round"])


def status(run: Run, now: float) -> Status:
    """Say what a run is doing."""
    if run.ended is not None and float(run.ended["time"]) >= _last_work(run):
        kind = "failed" if run.ended.get("failed") else "ended"
        return Status(kind, kind, str(run.ended["message"]))
    if rounds_in_all(run) and rounds_done(run) >= rounds_in_all(run):
        return Status("ended", "ended", "all rounds are done")
    if now - run.last > max(_SILENT, _SILENT_ROUNDS * (_typical(run) or 0.0)):
        return Status("silent", f"silent for {in_words(now - run.last)}", "nothing is heard of it")
    for record, kind, words in (
        (run.waiting, "waiting", "waiting for {what}"),
        (run.preparing, "preparing", "{what}"),
    ):
        if record is not None and float(record["time"]) > _last_work(run):
            reason = str(record.get("reason", ""))
            return Status(kind, words.format(what=record["what"]), reason)
    if run.begun is None and not run.rounds and not run.training:
        return Status("preparing", "preparing")
    return Status("training", f"training round {rounds_done(run) + 1}")


def left(run: Run, now: float) -> Left:
    """Say how long the run will take yet.

    By the median of its last rounds of as many sub-models, which leaves out waits that are over.
    The first round of a run, which also loads and compiles, tells nothing, nor does one that was
    done before a number of sub-models was joined: a round of joined ones takes K / K' times as long
    here, which is between what overheads and what products would make of it.
    """
    if status(run, now).kind in ("ended", "failed"):
        return Left(0.0)
    if not run.plans:
        return Left(None, "the run's beginning was missed")
    done = rounds_done(run)
    measured = _seconds_by_submodels(run)
    if not measured:
        return Left(None, "known after the second round")
    to_come = [submodels for _, submodels in run.plans[done:]]
    seconds = sum(_expected(measured, submodels) for submodels in to_come)
    newest = run.newest
    if newest is not None and to_come:
        seconds -= min(max(0.0, now - newest.ended), _expected(measured, to_come[0]))
    whys = []
    if any(submodels not in measured for submodels in to_come):
        whys.append("roughly: parts will join")
    if run.begun is not None and run.begun["settings"].get("early_stopping"):
        whys.append("unless it stops early")
    return Left(seconds, ", ".join(whys))


def in_words(seconds: float) -> str:
    """Write a length of time as people do.

    Examples
    --------
    >>> in_words(7.25), in_words(90), in_words(600), in_words(7200)
    ('7.2 s', '90 s', '10 min', '2.0 h')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _last_work(run: Run) -> float:
    """When the last was told that has been trained, merged or scored."""
    times = [0.0 if run.begun is None else float(run.begun["time"])]
    times += [one.time for one in run.training.values()]
    times += [] if run.newest is None else [run.newest.time]
    return max(times)


def _first_number(run: Run) -> int:
    """Return the number of the first round that this run does itself."""
    return min(run.rounds, default=0) if run.begun is None else int(run.begun["first_round"]) + 1


def _seconds_by_submodels(run: Run) -> dict[int, float]:
    """Return the median seconds of the last rounds, by their number of sub-models."""
    first = _first_number(run)
    found: dict[int, list[float]] = {}
    for number in sorted(run.rounds, reverse=True):
        one = run.rounds[number]
        if number > first:
            found.setdefault(one.n_submodels, []).append(one.seconds / one.covers)
    return {k: statistics.median(seconds[:_RECENT]) for k, seconds in found.items()}


def _typical(run: Run) -> float | None:
    """Return the seconds of the newest round."""
    return None if run.newest is None else run.newest.seconds / run.newest.covers


def _expected(measured: dict[int, float], submodels: int) -> float:
    nearest = min(measured, key=lambda k: abs(k - submodels))
    return measured[nearest] * nearest / submodels
