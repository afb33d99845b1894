"""Which workers have a device: each is asked once, and only those are given its trainings."""

from __future__ import annotations

import pytest

import dask_horn as horn
from dask_horn.cluster import ClusterExecutor, LocalExecutor, Seat, reasons, usable
from dask_horn.kernels.device import DeviceState


class _Client:
    """A client whose workers say of a device what `states` has, or raise that."""

    def __init__(self, **states):
        self.states = states
        self.asked = []

    address = "fake://"

    @property
    def scheduler(self):
        return self

    def sync(self, function, callback_timeout, **arguments):
        return function(**arguments)

    def identity(self, n_workers):
        seen = {"status": "running", "last_seen": 0.0, "metrics": {}}
        return {"workers": dict.fromkeys(self.states, seen)}

    def processing(self):
        return {}

    def run(self, function, name, workers, on_error):
        self.asked.append((name, tuple(workers)))
        return {worker: self.states[worker] for worker in workers}


HAS = DeviceState("fake", "Fake 1", 2**20)
SMALL = DeviceState("fake", "Fake 0", 2**10)
LACKS = DeviceState("fake", "", missing="there is none.")


def _seats(executor, n=12):
    placement = executor.placement(n, "fake")
    return [placement(group, 0) for group in range(n)]


def test_trainings_go_to_those_that_have_it():
    seats = _seats(ClusterExecutor(_Client(a=LACKS, b=HAS, c=SMALL)))
    assert set(seats) == {
        Seat("b", "fake", 2**20, ("b", "c")),
        Seat("c", "fake", 2**10, ("b", "c")),
    }


def test_each_worker_is_asked_once_and_new_ones_when_they_are_there():
    client = _Client(a=HAS)
    executor = ClusterExecutor(client)
    _seats(executor)
    client.states["b"] = HAS
    assert {seat.worker for seat in _seats(executor)} == {"a", "b"}
    assert client.asked == [("fake", ("a",)), ("fake", ("b",))]
    del client.states["a"]
    assert {seat.worker for seat in _seats(executor)} == {"b"}


def test_nobody_is_asked_for_the_cpu():
    client = _Client(a=LACKS)
    assert ClusterExecutor(client).placement(1, "cpu")(0, 0) == Seat("a")
    assert client.asked == []


def test_a_worker_that_cannot_answer_lacks_it():
    states = ClusterExecutor(_Client(a=ImportError("no package"), b=HAS)).device_states("fake")
    assert list(usable(states)) == ["b"]
    assert "no package" in reasons(states)


def test_a_run_that_has_none_left_is_told_why():
    words = r"a worker with device='fake': no worker .* use it \(there is none\); start one"
    with pytest.raises(horn.WaitTimeoutError, match=words):
        _seats(ClusterExecutor(_Client(a=LACKS), timeout=0.1))


def test_what_all_lack_is_told_once():
    others = {str(i): DeviceState("fake", "", missing=f"reason {i}") for i in range(9)}
    assert reasons({"a": LACKS, "b": LACKS, "c": HAS}) == "there is none"
    assert reasons({"a": LACKS, **others}) == "there is none; reason 0; reason 1; …"


def test_this_process_is_asked_once(fake):
    executor = LocalExecutor("sync")
    assert executor.placement(3, "fake")(2, 1) == Seat(None, "fake", fake.memory)
    fake.memory = 1
    assert executor.device_states("fake")["this process"].memory != 1
