"""The population that a model predicts with: measured of the parent as it is, to the same bits."""

from __future__ import annotations

from dataclasses import replace

import dask
import numpy as np
import pytest
import zarr
from sklearn.datasets import load_digits

import dask_horn as horn
from dask_horn.training.tasks import statistics as module
from dask_horn.training.tasks.statistics import population_of
from tests import oracle
from tests.training.graph.test_graph import stages
from tests.training.specs import make_spec

X, Y = load_digits(return_X_y=True)
TRAINED, HELD = slice(0, 1200), slice(1200, None)
SETTINGS = {"n_groups": 2, "n_submodels": [2, 1], "n_rounds": 4, "random_state": 7}
EARLY = {"early_stopping": True, "n_iter_no_change": 2, "checkpoint_every": 1}


def _network(n_inputs=64):
    hidden = [horn.Dense(24, use_bias=False), horn.BatchNorm(activation="relu")]
    return horn.Network([*hidden, horn.Dropout(0.1), horn.Dense(10)], n_inputs)


def _train(**changes):
    return horn.train(_network(), X[TRAINED], Y[TRAINED], **{**SETTINGS, **changes})


@pytest.fixture(scope="module")
def expected():
    return _train().model


def _assert_same(model, other):
    assert np.array_equal(model.parameters, other.parameters)
    assert np.array_equal(model.statistics, other.statistics)


def _inputs(n, seed=0):
    x = np.random.default_rng(seed).normal(3, 2, (n, 5)).astype("f4")
    return x, np.arange(n) % 3


def _of_batches(network, parameters, spec, batches):
    """Means, and variances made unbiased, of batches of rows, averaged."""
    params = network.parameters.as_dict(parameters.astype(float))
    total = {}
    for x in batches:
        standardized = (x - spec.standardizer.mean) / spec.standardizer.scale
        for name, value in oracle.batch_statistics(network, params, standardized).items():
            unbiased = len(x) / (len(x) - 1) if name.endswith("variance") else 1.0
            total[name] = total.get(name, 0) + unbiased * value / len(batches)
    return total


def test_one_batch_of_all_rows_is_the_oracles():
    hidden = [horn.Dense(6, "tanh"), horn.BatchNorm(0.1), horn.Dropout(0.5), horn.Dense(4)]
    network = horn.Network([*hidden, horn.BatchNorm(activation="relu"), horn.Dense(3)], 5)
    x, y = _inputs(31)
    spec = make_spec(network, x, y, n_groups=2, batch_size=31)
    parameters = network.initial_values(1)
    found = network.statistics.as_dict(population_of(spec, 0, parameters))
    expected = _of_batches(network, parameters, spec, [x])
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6)


def test_positions_count_as_samples():
    layers = [horn.BatchNorm(), horn.Conv2D(2, 2), horn.Flatten(), horn.Dense(3)]
    network = horn.Network(layers, (4, 5, 2))
    x = np.random.default_rng(0).normal(size=(6, 40)).astype("f4")
    spec = make_spec(network, x, np.arange(6) % 3, batch_size=6)
    parameters = network.initial_values(1)
    found = network.statistics.as_dict(population_of(spec, 0, parameters))
    values = ((x - spec.standardizer.mean) / spec.standardizer.scale).reshape(-1, 2)
    variance = values.var(axis=0, ddof=1)  # of 6 samples at 20 positions
    np.testing.assert_allclose(found["batch_norm_1/variance"], variance, rtol=1e-5)


def test_batches_are_of_the_size_that_was_trained_with():
    network = horn.Network([horn.BatchNorm(), horn.Dense(3)], 5)
    x, y = _inputs(4000)
    parameters = network.initial_values(1)
    found = population_of(make_spec(network, x, y, batch_size=2, block_rows=100), 0, parameters)
    tensors = network.statistics.as_dict(found)
    # Of two rows the variance itself would be half as large.
    np.testing.assert_allclose(tensors["batch_norm_1/mean"], 0, atol=1e-5)
    np.testing.assert_allclose(tensors["batch_norm_1/variance"], 1, atol=0.1)


@pytest.mark.parametrize("sizes", [(8, 1), (5, 3, 1), (1,) * 4])
def test_a_batch_counts_by_its_rows(sizes, monkeypatch):
    network = horn.Network([horn.BatchNorm(), horn.Dense(3)], 5)
    x, y = _inputs(sum(sizes))
    spec = make_spec(network, x, y, batch_size=8, block_rows=1)
    seen, stops = [], np.cumsum(sizes)

    def spans(blocks, row_bytes):
        spans = [blocks[stop - n : stop] for n, stop in zip(sizes, stops, strict=True)]
        seen.extend(x[[block.start for block in span]] for span in spans)
        return spans

    monkeypatch.setattr(module, "window_spans", spans)
    found = network.statistics.as_dict(population_of(spec, 0, network.initial_values(1)))
    standardized = [(rows - spec.standardizer.mean) / spec.standardizer.scale for rows in seen]
    np.testing.assert_allclose(found["batch_norm_1/mean"], 0, atol=1e-6)
    pooled = sum(len(rows) * rows.var(axis=0) for rows in standardized)
    pooled /= max(sum(len(rows) - 1 for rows in standardized), 1)
    np.testing.assert_allclose(found["batch_norm_1/variance"], pooled, rtol=1e-5, atol=1e-6)


def test_rows_of_all_groups_are_drawn_by_the_seed(monkeypatch):
    network = _network(5)
    spec = make_spec(network, *_inputs(600), n_groups=3, block_rows=20)
    parameters = network.initial_values(1)
    whole = population_of(spec, 0, parameters)
    monkeypatch.setattr(module, "_ROWS", 200)
    some = population_of(spec, 0, parameters)
    assert np.array_equal(some, population_of(spec, 0, parameters))
    assert not np.array_equal(some, population_of(replace(spec, seed=4), 0, parameters))
    np.testing.assert_allclose(some, whole, rtol=0.5, atol=1)
    rows = sum(map(len, module._chosen_blocks(spec, 0)))
    assert rows == 200


def test_members_have_the_population_of_their_own_rows():
    spec = make_spec(_network(5), *_inputs(200), n_groups=2, block_rows=10)
    plan = replace(spec.rounds[0], groups_of=((0,), (1,)))
    spec = replace(spec, rounds=(plan,) * len(spec.rounds), ensemble=True)
    for member in (0, 1):
        assert set(module._chosen_blocks(spec, member)) <= set(plan.group_blocks[member])
    result = _train(merge="ensemble")
    first, second = result.model.members
    assert not np.array_equal(first.statistics, second.statistics)


def test_the_model_is_the_one_that_was_scored():
    result = _train(validation_data=(X[HELD], Y[HELD]))
    accuracy = np.mean(result.model.predict(X[HELD]) == Y[HELD])
    assert result.history[-1].validation_score == pytest.approx(accuracy)
    assert accuracy > 0.85
    _assert_same(result.model, _train().model)


def test_scoring_measures_in_each_round_and_nothing_else_does():
    # Nobody is scored while a graph is drawn: one measurement, at the end.
    graph = horn.training_graph(_network(), X, Y, **SETTINGS)
    assert stages(graph)["statistics"] == 1
    assert stages(horn.training_graph(_network(), X, Y, redraw=True, **SETTINGS))["statistics"] == 1
    members = horn.training_graph(_network(), X, Y, merge="ensemble", **SETTINGS)
    assert stages(members)["statistics"] == 2
    plain = horn.Network([horn.Dense(24), horn.LayerNorm(), horn.Dense(10)], 64)
    assert "statistics" not in stages(horn.training_graph(plain, X, Y, **SETTINGS))


@pytest.mark.parametrize("redraw", [False, True])
def test_schedulers_agree(redraw):
    found = []
    for scheduler in ("threads", "sync"):
        with dask.config.set(scheduler=scheduler):
            found.append(_train(redraw=redraw).model)
    _assert_same(*found)


@pytest.fixture(scope="module")
def stopped_early():
    return _train(validation_data=(X[HELD], Y[HELD]), **EARLY)


def test_a_cluster_agrees(expected, stopped_early, client):
    _assert_same(_train().model, expected)
    # The best round's parent is kept in the scratch folder, without what it predicts with.
    clustered = _train(validation_data=(X[HELD], Y[HELD]), **EARLY)
    assert clustered.best_round == stopped_early.best_round
    _assert_same(clustered.model, stopped_early.model)


def test_a_checkpoint_holds_a_model_and_the_run_goes_on_to_the_same_bits(expected, tmp_path):
    class Stop(horn.Callback):
        def on_round_end(self, record):
            if record.round == 2:
                raise StopIteration

    settings = {"checkpoint": tmp_path / "run.zarr", "checkpoint_every": 1}
    stopped = _train(callbacks=[Stop()], **settings).model
    (folder,) = (tmp_path / "run.zarr" / "rounds").glob("00002-*")
    saved = horn.load(folder / "model")
    _assert_same(saved, stopped)
    assert np.mean(saved.predict(X[HELD]) == Y[HELD]) > 0.5
    for _ in range(2):  # the second time it is only loaded
        _assert_same(_train(**settings).model, expected)


@pytest.mark.parametrize("checkpointed", [False, True])
def test_early_stopping_keeps_what_the_best_round_predicts_with(checkpointed, tmp_path):
    settings = {"early_stopping": True, "n_iter_no_change": 1, "n_rounds": 8}
    settings["validation_data"] = (X[HELD], Y[HELD])
    settings["checkpoint"] = tmp_path / "run.zarr" if checkpointed else None
    result = _train(learning_rate=0.02, **settings)
    score = result.history[result.best_round - 1].validation_score
    assert np.mean(result.model.predict(X[HELD]) == Y[HELD]) == pytest.approx(score)


def test_going_on_from_a_model_measures_anew(expected):
    result = _train(initial=expected, n_rounds=1, n_submodels=[2])
    assert not np.array_equal(result.model.statistics, expected.statistics)
    classifier = horn.HornClassifier(
        layers=_network().layers[:-1], n_rounds=2, learning_rate=0.005, random_state=0
    )
    classifier.fit(X[TRAINED], Y[TRAINED])
    before = classifier.model_.tensor("batch_norm_1/mean").copy()
    classifier.partial_fit(X[TRAINED], Y[TRAINED])
    assert not np.array_equal(classifier.model_.tensor("batch_norm_1/mean"), before)
    assert classifier.score(X[HELD], Y[HELD]) > 0.85


def test_statistics_come_back_from_disk(expected, tmp_path):
    expected.save(f"{tmp_path}/model.zarr")
    loaded = horn.load(f"{tmp_path}/model.zarr")
    _assert_same(loaded, expected)
    np.testing.assert_array_equal(loaded.predict_proba(X), expected.predict_proba(X))
    stored = zarr.open_group(f"{tmp_path}/model.zarr", mode="r+")
    variance = stored["batch_norm_1/variance"]
    np.testing.assert_array_equal(variance[...], expected.tensor("batch_norm_1/variance"))
    variance[0] = 77
    with pytest.raises(horn.ModelFormatError, match="do not match their checksum"):
        horn.load(f"{tmp_path}/model.zarr")


def test_a_model_without_its_statistics_is_refused(expected):
    with pytest.raises(ValueError, match=r"^statistics must have the shape \(64,\) of network.st"):
        replace(expected, statistics=np.zeros(0, np.float32))
