"""What is found wrong with a cluster, and how often it is told: by a clock of the test's own."""

from __future__ import annotations

import itertools

import pytest

from dask_horn.cluster import diagnosis, watch
from dask_horn.cluster.diagnosis import Diagnosis, Snapshot
from dask_horn.cluster.telling import METRIC
from dask_horn.cluster.watch import Watch
from dask_horn.errors import StoppedError, WaitTimeoutError
from dask_horn.records import Waiting

RUN = "0badcafe"
TRAIN, SCORE, OTHER = (f"train-{RUN}", 2, 0, 1), (f"score-{RUN}", 2, 0), ("train-11111111", 0)


class Clock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(diagnosis, "time", clock)
    monkeypatch.setattr(watch, "time", clock)
    return clock


def worker(clock, tasks=(), doing=("", 0.0), beats=0, status="running", heard=None):
    said = {"what": doing[0], "seconds": doing[1], "beats": {RUN: beats}, "tasks": list(tasks)}
    return {
        "status": status, "last_seen": clock.now if heard is None else heard,
        "memory_limit": 4 * 2**30, "metrics": {"memory": 3 * 2**30, METRIC: said},
    }  # fmt: skip


def snapshot(*workers, assigned=()):
    found = {f"tcp://{number}": one for number, one in enumerate(workers)}
    return Snapshot(found, {"tcp://0": tuple(assigned)})


class Scheduler:
    """Plays a client whose scheduler shows, at each look, what `show` returns."""

    address = "tcp://scheduler"

    def __init__(self, clock, show):
        self.clock, self.show = clock, show

    @property
    def scheduler(self):
        return self

    def sync(self, question, callback_timeout, **arguments):
        return question(**arguments)

    def identity(self, n_workers):
        return {"workers": dict(self.show().workers)}

    def processing(self):
        return dict(self.show().processing)


class Unposted(Watch):
    """Sends nothing to a topic, which a played scheduler has not."""

    def post(self, event):
        pass


def waited(clock, show, seconds, timeout=None, notify=lambda event: None):
    """Wait so long by the clock for a task; return what was told, by the seconds."""
    told = {}
    end = clock.now + seconds

    def hear(event):
        told[event.seconds] = event.reason
        notify(event)

    def done(slice):
        clock.now += slice
        return clock.now >= end

    Unposted(Scheduler(clock, show), RUN, hear, timeout).until(done, "round 3", for_a_task=True)
    return told


def test_the_same_is_told_at_growing_intervals(clock):
    rows = iter(range(10_000))

    def show():
        slow = (f"reading rows {next(rows)} of array X", clock.now % 50 + 20)
        return snapshot(worker(clock, [(TRAIN, 9.0)], slow), worker(clock, doing=slow))

    told = list(waited(clock, show, 1000))
    assert len(told) <= 8
    gaps = [later - earlier for earlier, later in itertools.pairwise(told)]
    assert gaps == sorted(gaps) and gaps[0] <= 30


def test_something_else_is_told_at_once(clock):
    def show():
        if clock.now < 1100:
            return snapshot()
        return snapshot(worker(clock, status="paused"))

    told = waited(clock, show, 200)
    assert any("paused" in told[seconds] for seconds in told if 95 <= seconds <= 110)


def test_while_nothing_is_wrong_nothing_is_told(clock):
    def show():
        return snapshot(worker(clock, [(TRAIN, clock.now % 200)]), worker(clock))

    assert not waited(clock, show, 3600)


def test_a_wait_ends_where_only_others_make_progress(clock):
    def show():
        key = ("train-11111111", int(clock.now))
        busy = worker(clock, [(key, 1.0)])
        return snapshot(busy, assigned=[TRAIN, key])

    with pytest.raises(WaitTimeoutError, match=r"no progress for 60 s .* while .* round 3"):
        waited(clock, show, 1000, timeout=60)


def test_a_long_task_that_makes_progress_is_waited_for(clock):
    def show():
        return snapshot(worker(clock, [(SCORE, 1.0)], beats=int(clock.now / 20)), assigned=[SCORE])

    assert not waited(clock, show, 3600, timeout=60)


def test_who_listens_may_ask_to_stop(clock):
    def stop(event):
        raise StopIteration("SIGTERM was received")

    with pytest.raises(StoppedError, match="SIGTERM was received"):
        waited(clock, snapshot, 1000, notify=stop)


def found(clock, *shows, longest=None):
    """Look every 20 seconds at what is shown; return what is wrong in the end."""
    own = Diagnosis(RUN, dict(longest or {}))
    for show in shows:
        shown = show()
        own.note(shown)
        reasons = [reason.words for reason in own.reasons(shown, for_a_task=True)]
        clock.now += 20
    return reasons


@pytest.mark.parametrize(
    ("key", "seconds", "longest", "words"),
    [
        (TRAIN, 40.0, {"train": 5.0}, "training of sub-model 1, group 0, in round 3 for 40 s; the"),
        (TRAIN, 29.0, {"train": 0.1}, None),  # any task may take that long
        (TRAIN, 290.0, {}, None),
        (TRAIN, 310.0, {}, "for 310 s; it is the first of its kind"),
        (SCORE, 290.0, {"train": 0.1}, None),
        (SCORE, 190.0, {"train": 0.1, "score": 31.0}, "the longest of its kind before took 31"),
        (OTHER, 999.0, {}, None),
    ],
)
def test_what_takes_much_longer_than_others_of_its_kind(clock, key, seconds, longest, words):
    own = (TRAIN, 0.0) if key == OTHER else None
    shown = snapshot(worker(clock, [(key, seconds), *([own] if own else [])]))
    reasons = found(clock, lambda: shown, longest=longest)
    assert words in reasons[0] if words else not reasons


def test_how_long_tasks_take_is_seen(clock):
    own = Diagnosis(RUN)
    for seconds in (31.0, 33.0):
        own.note(snapshot(worker(clock, [(SCORE, seconds)])))
    own.note(snapshot(worker(clock)))
    assert own.longest == {"score": 33.0}


def test_silent_workers_are_counted(clock):
    shown = snapshot(*(worker(clock, [(TRAIN, 1.0)], heard=5.0) for _ in range(40)))
    (words,) = found(clock, *[lambda: shown] * 3)
    assert words == (
        "tcp://0 has sent no heartbeat for 40 s (and 39 more likewise); it may be stopped, or its "
        "machine overloaded"
    )


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("paused", "all workers (1) are paused because memory is short (one uses 3.00 GiB of 4.00"),
        ("closing_gracefully", "all workers are starting or shutting down"),
    ],
)
def test_workers_that_do_not_work(clock, status, words):
    assert words in found(clock, lambda: snapshot(worker(clock, status=status)))[0]


@pytest.mark.parametrize(
    ("assigned", "words"),
    [([TRAIN], "wait behind other work there, or for data"), ([OTHER], "or none may take them")],
)
def test_no_worker_is_at_it(clock, assigned, words):
    idle = [lambda: snapshot(worker(clock), assigned=assigned)] * 2
    assert words in found(clock, *idle)[0]


def test_a_wait_is_a_sentence():
    event = Waiting(run=RUN, what="round 3", seconds=20.4, reason="the cluster has no workers")
    assert str(event) == "Still waiting for round 3 after 20 s: the cluster has no workers"
