"""Where sub-models go on a cluster: a preference, which changes no result but the time."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dask_horn.cluster import ClusterExecutor, Seat

COUNTS = st.integers(1, 12)


class _Client:
    """A client of so many workers, each known by its number."""

    def __init__(self, n_workers: int) -> None:
        self.workers = [f"tcp://{number:03d}" for number in range(n_workers)]

    address = "fake://"

    @property
    def scheduler(self) -> _Client:
        return self

    def identity(self, n_workers: int) -> dict[str, dict[str, dict[str, int]]]:
        assert n_workers == -1  # all of them
        return {"workers": {worker: {} for worker in reversed(self.workers)}}

    def sync(self, function, callback_timeout, **arguments):
        return function(**arguments)


def _placed(n_workers: int, n_groups: int, n_submodels: int) -> dict[tuple[int, int], str]:
    """Which worker each (group, sub-model) prefers."""
    prefer = ClusterExecutor(_Client(n_workers)).placement(n_groups, "cpu")
    places = {}
    for group in range(n_groups):
        for submodel in range(n_submodels):
            places[group, submodel] = prefer(group, submodel).worker
    return places


@given(COUNTS, COUNTS, COUNTS)
def test_nobody_waits_while_workers_are_enough(n_workers, n_groups, n_submodels):
    load = Counter(_placed(n_workers, n_groups, n_submodels).values())
    if n_groups * n_submodels <= n_workers:
        assert max(load.values()) == 1
    elif n_groups >= n_workers:
        assert len(load) == n_workers
        assert max(load.values()) - min(load.values()) <= 1


@given(COUNTS, COUNTS, COUNTS)
def test_groups_share_no_worker_while_workers_are_enough(n_workers, n_groups, n_submodels):
    if n_workers >= n_groups:
        groups = {}
        for (group, _), worker in _placed(n_workers, n_groups, n_submodels).items():
            groups.setdefault(worker, set()).add(group)
        assert all(len(sharing) == 1 for sharing in groups.values())


@pytest.mark.parametrize("n_workers", [1, 3, 4, 6, 8, 16])
def test_a_group_that_becomes_many_is_spread_over_all_workers(n_workers):
    for n_groups, n_submodels in [(1, 16), (2, 8), (4, 4), (8, 2), (16, 1)]:
        load = Counter(_placed(n_workers, n_groups, n_submodels).values())
        assert len(load) == n_workers
        if n_workers in (1, 4, 8, 16):
            assert set(load.values()) == {16 // n_workers}


def test_without_workers_there_is_no_preference():
    assert ClusterExecutor(_Client(0)).placement(2, "cpu")(1, 1) == Seat()
