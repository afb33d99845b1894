from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from itertools import pairwise
from unittest.mock import patch

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from dask_horn.data import Block, forget, open_samples, window_spans
from dask_horn.errors import DivergedError
from dask_horn.network import (
    GRU,
    LSTM,
    AveragePool2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    Network,
    SimpleRNN,
)
from dask_horn.partition import Partition
from dask_horn.program import Optimizer, submodel_scales
from dask_horn.records import SubmodelId
from dask_horn.training.plan import steps as steps_module
from dask_horn.training.plan.merge_rules import MERGE_RULES
from dask_horn.training.plan.spec import OuterStep, Schedule
from dask_horn.training.plan.steps import count_steps
from dask_horn.training.tasks import submodel as module
from dask_horn.training.tasks.division import partition_of, steps_of
from dask_horn.training.tasks.merge import Merge, add_partial_sums
from dask_horn.training.tasks.states import Whole
from tests import oracle
from tests.program.problems import counted_steps
from tests.training.specs import RUN, make_spec, rows_of

RNG = np.random.default_rng(0)
X, Y = RNG.normal(3, 2, size=(60, 5)).astype("f4"), RNG.integers(3, size=60)
NETWORK = Network([Dense(13, activation="gelu"), Dense(9, activation="sigmoid"), Dense(3)], 5)
IMAGES = RNG.normal(3, 2, size=(60, 6 * 5)).astype("f4")
# The last of four steps are padding, in every third sample.
SEQUENCES = RNG.normal(3, 2, size=(60, 4, 3)).astype("f4")
SEQUENCES[::3, 2:] = -1
#: Networks that are divided and merged, one of each family at least, and samples for them.
FAMILIES = {
    "dense": (NETWORK, X),
    "convolution": (
        Network(
            [
                Conv2D(9, (2, 3), activation="tanh", padding="same"),
                AveragePool2D((2, 1)),
                Conv2D(7, 2, activation="gelu"),
                MaxPool2D(2, stride=1),
                Flatten(),
                Dense(8, activation="sigmoid"),
                Dense(3),
            ],
            (6, 5, 1),
        ),
        IMAGES,
    ),
    "recurrence": (
        Network(
            [
                LSTM(9, return_sequences=True, mask_value=-1),
                GRU(7, return_sequences=True),
                SimpleRNN(8),
                Dense(3),
            ],
            (4, 3),
        ),
        SEQUENCES.reshape(60, 12),
    ),
}


@pytest.fixture(autouse=True)
def _forget():
    yield
    forget(RUN)


def _parameters(network=NETWORK, seed=1):
    """Initial values, with biases that are not zero."""
    vector = network.initial_values(seed)
    rng = np.random.default_rng(seed)
    for name, tensor in network.parameters.as_dict(vector).items():
        if name.endswith("/b"):
            tensor[...] = rng.normal(scale=0.3, size=tensor.shape)
    return vector


def _all_to(network, submodel):
    """A partition that gives one sub-model everything: its number then changes no slice."""
    axes = network.divided_axes
    return Partition(submodel + 1, {a: np.full(network.unit_axes[a], submodel) for a in axes})


def _train(spec, start=None, partition=None, round=0, group=0, submodel=0):
    start = _parameters(spec.network) if start is None else start
    partition = _all_to(spec.network, submodel) if partition is None else partition
    with patch.object(module, "partition_of", return_value=partition):
        return module.train_submodels(spec, [start], [SubmodelId(round, group, submodel)], "cpu")[0]


# ----------------------------------------------------- partition, training and merge together


def _masked_training(spec, samples, parent, partition, round, group, submodel):
    """The delta (float64) of a sub-model, done on the whole network with masked connections."""
    network, table = spec.network, spec.network.parameters
    held = np.zeros(table.size, np.float32)
    partition.slice_map(table, submodel).count(held)
    connected = table.as_dict(held.astype(float))
    start = {name: connected[name] * p for name, p in table.as_dict(parent.astype(float)).items()}
    scales = submodel_scales(network, partition.fractions(submodel), spec.hidden_exponent)
    n_steps = steps_of(spec, partition, SubmodelId(round, group, submodel))
    rows = rows_of(spec.rounds[round].group_blocks[group])
    x = (samples[rows] - spec.standardizer.mean) / spec.standardizer.scale
    params, optimizer = start, spec.optimizer
    rule = oracle.OPTIMIZERS[optimizer.name]
    state = rule.start(params)
    for rate in spec.schedule.rates(round, n_steps):
        options = oracle.Options(scales, counted=counted_steps(network, samples[rows]))
        grads = oracle.gradients(network, params, x, Y[rows], options, spec.class_weights)
        grads = {name: connected[name] * g for name, g in grads.items()}
        params, state = rule.step(network, params, grads, state, rate, optimizer)
    delta = np.zeros(table.size)
    for name, tensor in table.as_dict(delta).items():
        tensor[...] = params[name] - start[name]
    return delta, held, len(rows) * n_steps


@pytest.mark.parametrize(
    "optimizer",
    [Optimizer("sgd", momentum=0.9, weight_decay=0.01), Optimizer("adamw", weight_decay=0.1)],
    ids=["sgd", "adamw"],
)
@pytest.mark.parametrize(("n_groups", "n_submodels"), [(1, 1), (1, 3), (2, 2), (3, 4)])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_round_is_the_same_steps_on_the_whole_network_with_masks(
    family, n_groups, n_submodels, optimizer
):
    round = 2
    network, samples = FAMILIES[family]
    spec = make_spec(
        network,
        *(samples, Y),
        n_groups=n_groups,
        optimizer=optimizer,
        schedule=Schedule("cosine", 0.05 if optimizer.name == "sgd" else 0.01, 10, 1),
        class_weights=np.array([0.5, 1, 2], np.float32),
        batch_size=60,  # all rows of a group are one batch, so that their order tells nothing
        steps=(3, 5, 4)[:n_groups],
    )
    table, step = network.parameters, OuterStep(0.7, 0.6)
    before = _parameters(network, seed=2)
    parent = Whole(round, _parameters(network), (before,))
    merge = Merge(table, network.shared_tensors, MERGE_RULES["nesterov"], step)
    partitions = [
        Partition.draw(network, n_submodels, spec.seed, round=round, group=g, concentration=10.0)
        for g in range(n_groups)
    ]
    sums, total, count = [], np.zeros(table.size), np.zeros(table.size)
    for group, partition in enumerate(partitions):
        trained = []
        for submodel in range(n_submodels):
            start = partition.slice_map(table, submodel).take(parent.parameters)
            trained.append(_train(spec, start, partition, round, group, submodel))
            delta, held, n_seen = _masked_training(
                spec, samples, parent.parameters, partition, round, group, submodel
            )
            total += n_seen * delta
            count += n_seen * held
        sums.append(merge.put_group(partition, trained))
    after = merge.step_whole(parent, add_partial_sums(sums), dict(enumerate(partitions)))

    delta = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    momentum = np.where(count > 0, step.momentum * before + delta, before)
    moved = np.where(count > 0, step.rate * (step.momentum * momentum + delta), 0)
    np.testing.assert_allclose(after.states[0], momentum, rtol=0, atol=3e-6)
    np.testing.assert_allclose(after.parameters, parent.parameters + moved, rtol=0, atol=3e-6)
    assert np.abs(delta).max() > 0.02


# ------------------------------------------------------------------------- what a task sees


@pytest.mark.parametrize("window_rows", [None, 12])  # all blocks together, or a few
def test_one_pass_takes_every_row_once(monkeypatch, window_rows):
    row_bytes = X[0].nbytes + 4
    if window_rows is not None:
        few = partial(window_spans, window_bytes=window_rows * row_bytes)
        monkeypatch.setattr(module, "window_spans", few)
        monkeypatch.setattr(steps_module, "window_spans", few)
    params = NETWORK.parameters.as_dict(_parameters().astype(float))
    still = {"batch_size": 5, "schedule": Schedule("constant", 0.0, 10, 0)}
    blocks = make_spec(NETWORK, X, Y, n_groups=2).rounds[0].group_blocks[1]
    steps = count_steps(blocks, row_bytes, still["batch_size"])
    for passes in (1, 2, 3):
        spec = make_spec(NETWORK, X, Y, n_groups=2, steps=(1, steps * passes), **still)
        rows = rows_of(spec.rounds[0].group_blocks[1])
        x = (X[rows] - spec.standardizer.mean) / spec.standardizer.scale
        outputs, _ = oracle.forward(NETWORK, params, x)
        result = _train(spec, group=1)
        assert result.report.loss == pytest.approx(oracle.loss(NETWORK, outputs, Y[rows]), rel=1e-5)
        assert result.report.samples == 30 * passes
        assert not result.delta.any()


def test_samples_are_counted_where_a_round_ends_within_a_pass():
    # 60 rows in batches of 8 at most: 8 batches of 7 or 8 rows.
    samples = [
        _train(make_spec(NETWORK, X, Y, steps=(steps,))).report.samples for steps in (1, 7, 8, 9)
    ]
    assert samples[0] in (7, 8)
    assert samples[1] in (52, 53)
    assert samples[2] == 60
    assert samples[3] == 60 + samples[0]


@pytest.mark.parametrize(("steps", "chunks"), [(1, 1), (2, 1), (3, 2), (11, 6), (12, 6), (13, 6)])
def test_no_chunk_is_read_that_the_steps_do_not_need(monkeypatch, steps, chunks):
    group = zarr.create_group(store=MemoryStore())
    group.create_array("X", data=X, chunks=(10, 5))  # two batches in each of six chunks
    group.create_array("y", data=Y)
    spec = make_spec(NETWORK, X, Y, block_rows=10, batch_size=5, steps=(steps,))
    samples = replace(open_samples(group), chunk_rows=10)  # a window has them all
    get, keys = MemoryStore.get, set()

    def recording_get(self, key, *arguments, **named):
        keys.add(key)
        return get(self, key, *arguments, **named)

    monkeypatch.setattr(MemoryStore, "get", recording_get)
    report = _train(replace(spec, samples=samples)).report
    assert report.samples == 5 * steps
    assert sum(key.startswith("X/c/") for key in keys) == chunks


def test_a_task_is_settled_by_seed_round_group_and_submodel():
    network = Network([Dense(9, activation="relu"), Dropout(0.3), Dense(3)], 5)
    spec = make_spec(network, X, Y, n_groups=2, batch_size=5)

    def delta(spec=spec, **place):
        return _train(spec, **place).delta.tobytes()

    deltas = [
        delta(),
        delta(round=1),
        delta(group=1),
        delta(submodel=1),
        delta(replace(spec, seed=4)),
    ]
    assert len(set(deltas)) == 5
    forget(RUN)
    assert delta() == deltas[0]


def test_rows_come_in_an_order_of_the_submodels_own():
    spec = make_spec(NETWORK, X, Y, batch_size=5)  # no dropout: only the order differs
    deltas = {_train(spec, submodel=k, round=r).delta.tobytes() for k in (0, 1) for r in (0, 1)}
    assert len(deltas) == 4


def test_the_slice_that_comes_is_not_changed():
    start = _parameters()
    received = np.frombuffer(b"\0" + start.tobytes(), np.float32, offset=1)
    spec = make_spec(NETWORK, X, Y)
    result = _train(spec, received)
    assert received.tobytes() == start.tobytes()
    assert result.delta.tobytes() == _train(spec, start).delta.tobytes()
    assert result.delta.any()


def test_the_report():
    spec = make_spec(NETWORK, X, Y, n_groups=2)
    partition = Partition.draw(NETWORK, 2, concentration=None)
    start = partition.slice_map(NETWORK.parameters, 1).take(_parameters())
    report = _train(spec, start, partition, round=3, group=1, submodel=1).report
    assert (report.group, report.submodel) == (1, 1)
    assert report.samples == 30 + 7  # the smaller part takes a fifth step
    assert report.bytes_to_worker == report.bytes_from_worker == start.nbytes
    assert 0 < report.loss < 5
    assert report.seconds > 0


@pytest.mark.parametrize("window_rows", [None, 12])  # all blocks together, or a few
def test_submodels_that_train_together_become_what_they_do_alone(monkeypatch, window_rows):
    if window_rows is not None:
        few = partial(window_spans, window_bytes=window_rows * (X[0].nbytes + 4))
        monkeypatch.setattr(module, "window_spans", few)
    spec = make_spec(NETWORK, X, Y, n_groups=3, n_submodels=2, steps=(7, 3, 12), batch_size=6)
    ids = [SubmodelId(2, group, submodel) for group, submodel in [(0, 1), (2, 0), (0, 0), (1, 1)]]
    vector = _parameters()
    starts = [
        partition_of(spec, 2, which.group)
        .slice_map(NETWORK.parameters, which.submodel)
        .take(vector)
        for which in ids
    ]
    together = module.train_submodels(spec, starts, ids, "cpu")
    for start, which, found in zip(starts, ids, together, strict=True):
        (alone,) = module.train_submodels(spec, [start], [which], "cpu")
        assert found.delta.tobytes() == alone.delta.tobytes()
        assert (found.report.together, alone.report.together) == (len(ids), 1)
        timeless = {"seconds": 0, "started": 0}
        assert replace(found.report, **timeless) == replace(alone.report, **timeless, together=4)


@pytest.mark.parametrize("bad", ["a learning rate", "a parameter"])
def test_divergence_names_the_place_and_leaves_no_thread(monkeypatch, bad):
    row_bytes = X[0].nbytes + 4
    few = partial(window_spans, window_bytes=12 * row_bytes)
    monkeypatch.setattr(module, "window_spans", few)
    network = Network([Dense(13, activation="relu"), Dense(1)], 5, "squared_error")
    spec = make_spec(network, X, X[:, 0], steps=(400,))
    start = _parameters(network)
    if bad == "a parameter":
        start[3] = np.nan
    else:
        spec = replace(spec, schedule=Schedule("constant", 1e6, 10, 0))
    with pytest.raises(
        DivergedError,
        match=r"^the loss was (nan|inf) in round 3, group 0, sub-model 5, step \d+; "
        r"use a learning_rate below (0.1|1e\+06)$",
    ) as caught:
        _train(spec, start, round=2, submodel=5)
    assert caught.value is not None  # its traceback keeps the task's variables
    readers = [t for t in threading.enumerate() if t.name.startswith("dask-horn-read")]
    assert readers == []


# --------------------------------------------------------------------------- steps of a pass


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(1, 70))
def test_steps_of_one_pass(lengths, batch_size):
    edges = np.cumsum([0, *lengths]).tolist()
    blocks = [Block(a, b) for a, b in pairwise(edges)]
    # One window holds them all; rows so large that each block is a window of its own.
    assert count_steps(blocks, 1, batch_size) == -(-edges[-1] // batch_size)
    assert count_steps(blocks, 2**30, batch_size) == sum(-(-n // batch_size) for n in lengths)


@given(st.integers(1, 500), st.integers(1, 100))
def test_batches_of_a_window_are_as_even_as_can_be(n_rows, batch_size):
    starts = module.batch_starts(n_rows, batch_size)
    sizes = np.diff(starts)
    assert (starts[0], starts[-1]) == (0, n_rows)
    assert sizes.max() <= batch_size
    assert sizes.max() - sizes.min() <= 1
    assert sizes.size == -(-n_rows // batch_size)
