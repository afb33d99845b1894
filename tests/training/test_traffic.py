"""What crosses between workers: slices and deltas, and no parent."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from dask.sizeof import sizeof
from distributed import Client, LocalCluster

import dask_horn as horn
from dask_horn.training.merge import ParentState, PartialSum
from dask_horn.training.submodel import Trained

NETWORK = horn.Network([horn.Dense(200, activation="relu"), horn.Dense(3)], input_shape=40)


def _received(dask_worker) -> dict[str, int]:
    """Bytes that a worker has received from others, by stage."""
    stages: dict[str, int] = defaultdict(int)
    for transfer in dask_worker.transfer_incoming_log:
        for key, n_bytes in transfer["keys"].items():
            stages[str(key[0] if isinstance(key, tuple) else key).rpartition("-")[0]] += n_bytes
    return dict(stages)


@pytest.mark.parametrize("merge", ["average", "ensemble"])
def test_slices_and_deltas_travel_and_parents_stay(merge):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(640, 40)).astype(np.float32)
    y = np.arange(640) % 3
    groups = 2 if merge == "ensemble" else 1
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        settings = {"n_submodels": [2], "steps_per_round": 5, "merge": merge}
        result = horn.train(NETWORK, X, y, n_rounds=4, n_groups=groups, **settings)
        received = list(client.run(_received).values())
    crossed = sum(stages.get("take", 0) + stages.get("train", 0) for stages in received)
    moved = sum(record.bytes_to_workers + record.bytes_from_workers for record in result.history)
    if merge == "average":
        assert 0 < crossed < 0.6 * moved  # one of the two sub-models trains beside its parent
        assert not any("parent" in stages for stages in received)
    else:
        assert crossed < 0.1 * moved  # each member has a worker of its own


def test_dask_knows_how_large_they_are():
    values = np.zeros(10_000, np.float32)
    assert sizeof(ParentState.start(values)) >= 2 * values.nbytes
    assert sizeof(PartialSum(values, ())) >= values.nbytes
    assert sizeof(Trained(values, None)) >= values.nbytes
