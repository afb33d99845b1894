"""Models whose inputs are encoded: predicted, saved and loaded."""

from __future__ import annotations

import numpy as np

import dask_horn as horn
from dask_horn.data import Standardizer, Targets
from tests import oracle

GENERATOR = np.random.default_rng(5)
X = GENERATOR.normal(3, 2, (70, 5)).astype("f4")


def _model(*more):
    layers = [horn.PiecewiseLinear((3, 0, 4, 1, 2)), horn.Periodic(2), *more]
    network = horn.Network([*layers, horn.Dense(8, "tanh"), horn.Dense(1)], 5, "squared_error")
    standardizer = Standardizer(X.mean(axis=0, dtype=float), X.std(axis=0, dtype=float))
    samples = ((X - standardizer.mean) / standardizer.scale).astype("f4")
    values = network.initial_values(0, samples=samples)
    targets = Targets.of_values(np.array([7.0]), np.array([3.0]), flat=True)
    return horn.Model(network, values, standardizer, targets)


def test_a_saved_model_has_its_edges_and_frequencies(tmp_path):
    model = _model()
    model.save(tmp_path / "model.zarr")
    loaded = horn.load(tmp_path / "model.zarr")
    assert loaded.network == model.network
    assert loaded.parameters.tobytes() == model.parameters.tobytes()
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_predictions_are_the_oracles():
    model = _model()
    params = model.network.parameters.as_dict(model.parameters.astype(float))
    standardized = (X - model.standardizer.mean) / model.standardizer.scale
    expected = 7 + 3 * oracle.forward(model.network, params, standardized)[0][:, 0]
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-5)


def test_dropconnect_draws_from_encoded_samples():
    plain = _model(horn.Dense(300, "relu"))
    layers = list(plain.network.layers)
    layers[2] = horn.Dense(300, "relu", dropconnect=0.5)
    network = horn.Network(layers, 5, "squared_error")
    model = horn.Model(network, plain.parameters, plain.standardizer, plain.targets)
    drawn = model.predict(X, inference="sample")
    assert drawn.shape == (70,)
    assert np.corrcoef(drawn, model.predict(X))[0, 1] > 0.9
