"""Trainings are shared out to tasks by the memory that a device has."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dask_horn.cluster import Seat
from dask_horn.records import SubmodelId
from dask_horn.training.graph.trainings import Start, batches
from dask_horn.training.plan.memory import Footprint

SIZES = st.integers(1, 50)


@given(SIZES, SIZES, st.integers(1, 500), st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_every_task_fits_and_holds_as_many_as_it_can(submodel, windows, memory, groups):
    footprint, seat = Footprint(submodel, windows), Seat(None, "fake", memory)
    ids = [SubmodelId(0, group, k) for group, number in enumerate(groups) for k in range(number)]
    found = list(batches([Start(which, None, seat) for which in ids], footprint))
    assert [start.which for batch in found for start in batch] == ids

    def bytes_of(starts):
        return footprint.of(len(starts), len({start.which.group for start in starts}))

    for batch in found:
        assert bytes_of(batch) <= memory or len(batch) == 1
    for batch, after in pairwise(found):
        assert bytes_of([*batch, after[0]]) > memory
