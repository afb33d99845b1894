"""What a run is doing at a moment, and how long it will take yet, as far as that can be known."""

from __future__ import annotations

from dataclasses import dataclass

from dask_horn.diagnostics.page.state import Run
from dask_horn.records import length_of_time, seconds_left

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
    silent = now - run.last
    if silent > max(_SILENT, _SILENT_ROUNDS * (_typical(run) or 0.0)):
        return Status("silent", f"silent for {length_of_time(silent)}", "nothing is heard of it")
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


def left(run: Run, now: float) -> float | None:
    """Estimate the seconds that are left, as a progress bar does; None where nothing tells."""
    if run.begun is None:
        return None
    heard = sorted(run.rounds.values(), key=lambda one: (one.time, one.round))
    taken = [
        (one.n_groups, one.n_submodels, one.seconds / one.covers)
        for one in heard
        if one.time >= float(run.begun["time"])  # others were done before it was resumed
    ]
    coming = run.plans[rounds_done(run) :]
    seconds, next_one = seconds_left(taken, coming), seconds_left(taken, coming[:1])
    if seconds is None or next_one is None:
        return None
    return seconds - min(max(0.0, now - heard[-1].ended), next_one)


def _last_work(run: Run) -> float:
    """When the last was told that has been trained, merged or scored."""
    times = [0.0 if run.begun is None else float(run.begun["time"])]
    times += [one.time for one in run.training.values()]
    times += [] if run.newest is None else [run.newest.time]
    return max(times)


def _typical(run: Run) -> float | None:
    """Return the seconds of the newest round."""
    return None if run.newest is None else run.newest.seconds / run.newest.covers
