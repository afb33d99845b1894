"""Waiting for some of a cluster's tasks, for so long."""

from __future__ import annotations

from threading import Event

import dask
import pytest
from distributed import Client

from dask_horn.cluster import ClusterExecutor, LocalExecutor

GATE = Event()


def _at_once(number):
    return number


def _behind_the_gate(number):
    assert GATE.wait(60)
    return number


@pytest.fixture
def client():
    GATE.clear()
    with Client(processes=False, n_workers=1, threads_per_worker=4, dashboard_address=":0") as it:
        yield it
        GATE.set()


def _tasks(*functions):
    return [dask.delayed(function)(i) for i, function in enumerate(functions)]


def test_as_many_as_asked_for_are_done(client):
    executor = ClusterExecutor(client)
    handles = executor.submit(*_tasks(_behind_the_gate, _at_once, _at_once))
    done, pending = executor.wait(handles, 2)
    assert [executor.result(handle) for handle in done] == [1, 2]
    assert pending == [handles[0]]
    GATE.set()
    assert executor.wait(handles, 3) == (list(handles), [])


def test_no_longer_than_the_timeout(client):
    executor = ClusterExecutor(client)
    handles = executor.submit(*_tasks(_behind_the_gate, _behind_the_gate))
    assert executor.wait(handles, 1, timeout=0.05) == ([], list(handles))


def test_in_this_process_all_is_done():
    executor = LocalExecutor("sync")
    handles = executor.submit(*_tasks(_at_once, _at_once))
    assert executor.wait(handles, 1) == (list(handles), [])
