"""Values: one or several for each sample."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

from dask_horn import Dense, HornRegressor
from tests.estimators.iris import SMALL, VALUES, VALUES_X


def test_without_hidden_layers_the_model_is_linear():
    reg = HornRegressor(**{**SMALL, "hidden_layer_sizes": ()}).fit(VALUES_X, VALUES)
    assert reg.model_.network.layers == (Dense(1),)
    middle = reg.predict(VALUES_X[:1] / 2 + VALUES_X[1:2] / 2)
    assert_allclose(middle, reg.predict(VALUES_X[:2]).mean(keepdims=True), rtol=1e-4)


def test_several_values_per_sample():
    both = np.stack([VALUES, -1000 * VALUES], axis=1)
    reg = HornRegressor(**SMALL).fit(VALUES_X, both)
    assert reg.n_outputs_ == 2
    assert reg.predict(VALUES_X).shape == both.shape
    assert reg.score(VALUES_X, both) > 0.4


def test_huber_minds_outliers_less():
    generator = np.random.default_rng(0)
    samples = generator.normal(size=(300, 3))
    clean = samples @ [1.0, 2.0, 3.0]
    dirty = np.where(np.arange(300) % 20 == 0, clean + 500, clean)
    settings = {**SMALL, "hidden_layer_sizes": (), "n_rounds": 10}
    error = {
        loss: np.median(
            np.abs(
                HornRegressor(**settings, loss=loss).fit(samples, dirty).predict(samples) - clean
            )
        )
        for loss in ("squared_error", "huber")
    }
    assert error["huber"] < error["squared_error"]
