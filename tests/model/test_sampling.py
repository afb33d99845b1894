"""Inference by draws: against masks drawn one by one, and the same whatever is asked beside it."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

import dask_horn as horn
from dask_horn.data import Standardizer, Targets
from dask_horn.model import Ensemble, Model
from tests import oracle

X = np.random.default_rng(0).normal(size=(23, 30)).astype("f4")


def _model(*layers, n_outputs=3, loss="cross_entropy", seed=0, input_shape=30):
    network = horn.Network([*layers, horn.Dense(n_outputs)], input_shape, loss)
    values = network.initial_values(seed)
    for name, tensor in network.parameters.as_dict(values).items():
        if name.endswith("/b"):
            tensor[...] = np.random.default_rng(seed).normal(scale=0.3, size=tensor.shape)
    n_inputs = network.n_inputs
    if loss == "cross_entropy":
        targets = Targets.of_classes(np.arange(n_outputs))
    else:
        targets = Targets("values", None, np.zeros(n_outputs), np.ones(n_outputs), n_outputs, False)
    return Model(network, values, Standardizer(np.full(n_inputs, 0.1), np.ones(n_inputs)), targets)


def _dropping(units=40, activation="relu", rate=0.5, **more):
    return horn.Dense(units, activation, dropconnect=rate, **more)


def _mean_over_masks(model, samples, n_masks):
    """Mean outputs over masks that are drawn one by one, and their standard errors."""
    rng = np.random.default_rng(1)
    params = model.network.parameters.as_dict(model.parameters)
    x = model.standardizer.scale * (samples - model.standardizer.mean)
    found = []
    for _ in range(n_masks):
        masks = {}
        for layer in (placed.layer for placed in model.network.placed):
            if isinstance(layer, horn.Dense) and layer.dropconnect > 0:
                n_in, n_out = params[f"{layer.name}/W"].shape
                shape = (len(x), n_in + 1, n_out)
                masks[layer.name] = rng.random(shape) < layer.keep_probability
        found.append(oracle.forward(model.network, params, x, masks=masks)[0])
    found = np.stack(found)
    return found.mean(axis=0), found.std(axis=0) / np.sqrt(n_masks)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu", "leaky_relu"])
@pytest.mark.parametrize("n_layers", [1, 2])
def test_draws_stand_for_masks(activation, n_layers):
    hidden = [_dropping(40, activation, rate) for rate in (0.5, 0.3)[:n_layers]]
    model = _model(*hidden, loss="squared_error")
    found = model.predict(X[:4], inference="sample", n_draws=10_000)
    mean, error = _mean_over_masks(model, X[:4], 1500)
    # Draws have errors of their own, and sums of 30 terms are not quite normal.
    np.testing.assert_allclose(found, mean, rtol=0, atol=5 * error.max())
    if activation == "relu":  # the mean network is another one
        assert np.abs(model.predict(X[:4]) - mean).max() > 2 * np.abs(found - mean).max()


def test_a_linear_layer_takes_no_draws():
    masked = horn.Dense(3, dropconnect=0.5)
    plain = _model(horn.Dense(40, "relu"))
    network = horn.Network([horn.Dense(40, "relu"), masked], 30)
    model = Model(network, plain.parameters, plain.standardizer, plain.targets)
    found = model.predict_proba(X, inference="sample", n_draws=3)
    np.testing.assert_allclose(found, model.predict_proba(X), rtol=2e-6, atol=1e-7)
    between = _model(_dropping(20, "linear"), _dropping(30, "tanh"), loss="squared_error")
    found = between.predict(X[:4], inference="sample", n_draws=10_000)
    mean, error = _mean_over_masks(between, X[:4], 1500)
    np.testing.assert_allclose(found, mean, rtol=0, atol=5 * error.max())


def test_dropout_and_plain_layers_take_part_as_they_are():
    hidden = [horn.Dense(20, "tanh"), horn.Dropout(0.5), _dropping(), horn.Dense(9, "gelu")]
    model = _model(*hidden)
    same = _model(hidden[0], *hidden[2:])
    found = model.predict_proba(X, inference="sample", n_draws=50)
    np.testing.assert_array_equal(found, same.predict_proba(X, inference="sample", n_draws=50))
    assert not np.array_equal(found, model.predict_proba(X))
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def test_a_sample_is_answered_alike_beside_any_others():
    model = _model(horn.Dense(20, "tanh"), _dropping(), _dropping(50, "gelu"))
    options = {"inference": "sample", "n_draws": 100, "seed": 3}
    whole = model.predict_proba(X, **options)
    for rows in (slice(0, 1), slice(5, 12)):
        np.testing.assert_array_equal(model.predict_proba(X[rows], **options), whole[rows])
    chunked = model.predict_proba(da.from_array(X, chunks=(7, 30)), **options)
    np.testing.assert_array_equal(chunked.compute(scheduler="threads"), whole)
    np.testing.assert_array_equal(model.predict(X, **options), whole.argmax(axis=1))


def test_draws_are_a_function_of_the_seed():
    model = _model(_dropping())
    first, again, other = (
        model.predict_proba(X, inference="sample", n_draws=20, seed=seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    many = [
        model.predict_proba(X, inference="sample", n_draws=20_000, seed=seed) for seed in (0, 1)
    ]
    assert np.abs(many[0] - many[1]).max() < np.abs(first - other).max() / 5


def test_an_ensemble_averages_what_its_members_draw(tmp_path):
    members = tuple(_model(_dropping(), seed=seed) for seed in range(3))
    ensemble = Ensemble(members, temperature=1.0)
    options = {"inference": "sample", "n_draws": 50}
    each = np.stack([member.predict_proba(X, **options) for member in members])
    mean, spread = ensemble.predict_proba(X, return_std=True, **options)
    np.testing.assert_allclose(mean, each.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(spread, each.std(axis=0), atol=1e-6)
    out = str(tmp_path / "y.zarr")
    assert ensemble.predict_proba(X, out=out, **options) is None


def test_a_temperature_is_that_of_the_model():
    model = _model(_dropping())
    cooler = model._with_temperature(0.5)
    options = {"inference": "sample", "n_draws": 50}
    assert (cooler.predict_proba(X, **options).max(axis=1)
            > model.predict_proba(X, **options).max(axis=1)).all()  # fmt: skip


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (
            {"inference": "median"},
            ValueError,
            "inference must be one of 'mean', 'sample', got 'median'",
        ),
        ({"n_draws": 0}, ValueError, "n_draws must be an integer of at least 1, got 0"),
        ({"n_draws": 2.5}, TypeError, "n_draws must be an integer of at least 1, got 2.5"),
        ({"seed": -1}, ValueError, "seed must be an integer of at least 0, got -1"),
    ],
)
def test_wrong_options(options, error, words):
    for method in ("predict", "predict_proba"):
        with pytest.raises(error, match=words):
            getattr(_model(_dropping()), method)(X, **({"inference": "sample"} | options))


def test_a_network_without_dropconnect_has_nothing_to_draw():
    with pytest.raises(
        ValueError, match="needs a Dense layer with dropconnect, but the network has none"
    ):
        _model(horn.Dense(5, "relu")).predict(X, inference="sample")


def test_a_recurrent_layer_is_used_as_it_is():
    recurrent = horn.LSTM(8, dropconnect=0.5)
    model = _model(recurrent, _dropping(), input_shape=(10, 3))
    plain = _model(horn.LSTM(8), _dropping(), input_shape=(10, 3))
    options = {"inference": "sample", "n_draws": 50}
    np.testing.assert_array_equal(
        model.predict_proba(X, **options), plain.predict_proba(X, **options)
    )
    with pytest.raises(ValueError, match="needs a Dense layer with dropconnect"):
        _model(recurrent, input_shape=(10, 3)).predict(X, inference="sample")
