"""What crosses between workers: slices once, then next to nothing; no parent but to be scored."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from dask.sizeof import sizeof

import dask_horn as horn
from dask_horn.training.tasks.merge import PartialSum
from dask_horn.training.tasks.states import Part, Slice, Whole
from dask_horn.training.tasks.submodel import Trained

NETWORK = horn.Network([horn.Dense(200, activation="relu"), horn.Dense(3)], input_shape=40)


def _forget(dask_worker) -> None:
    dask_worker.transfer_incoming_log.clear()


def _received(dask_worker) -> dict[str, int]:
    """Bytes that a worker has received from others, by stage."""
    stages: dict[str, int] = defaultdict(int)
    for transfer in dask_worker.transfer_incoming_log:
        for key, n_bytes in transfer["keys"].items():
            stages[str(key[0] if isinstance(key, tuple) else key).rpartition("-")[0]] += n_bytes
    return dict(stages)


@pytest.mark.parametrize(
    "settings",
    [{"n_groups": 1}, {"n_groups": 2}, {"n_groups": 2, "merge": "ensemble"}],
    ids=["one group", "two groups", "ensemble"],
)
def test_parts_stay_with_their_workers(settings, client):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(640, 40)).astype(np.float32)
    y = np.arange(640) % 3
    client.run(_forget)
    common = {"n_submodels": [2], "steps_per_round": 5, "checkpoint_every": 20}
    result = horn.train(NETWORK, X, y, n_rounds=8, **common, **settings)
    received = list(client.run(_received).values())
    stages = {name for own in received for name in own}
    crossed = sum(sum(own.values()) for own in received)
    told = [record.bytes_to_workers + record.bytes_from_workers for record in result.history]
    slices = sum(4 * tensor.size for tensor in NETWORK.parameters.tensors) // 2
    if settings["n_groups"] == 1:
        assert told[1:-1] == [0] * 6  # slices come in the first round, parts go after the last
        # Both parts, there and back in each round, would be 32: a busy worker may pass one on.
        assert crossed < 8 * slices
    elif "merge" not in settings:
        # One of two groups is elsewhere: slices go there and deltas come back, in every round.
        assert told[1] == pytest.approx(2 * 2 * slices, rel=0.1)
        assert crossed < 1.5 * sum(told)
    assert "parent" not in stages


def test_dask_knows_how_large_they_are():
    values = np.zeros(10_000, np.float32)
    assert sizeof(Whole.start(values, 1)) >= 2 * values.nbytes
    assert sizeof(Part(values, 0, (values, values))) >= 3 * values.nbytes
    assert sizeof(Slice(values)) >= values.nbytes
    assert sizeof(PartialSum(values, ())) >= values.nbytes
    assert sizeof(Trained(values, None)) >= values.nbytes
