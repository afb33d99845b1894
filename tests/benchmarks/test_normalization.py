"""The populations that the study of normalizing layers compares."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("benchmarks", reason="a source distribution has no benchmarks")

from sklearn.datasets import load_digits

import dask_horn as horn
from benchmarks.method.normalization import network_with, of_each_population
from dask_horn.training import TrainingOptions

X, Y = load_digits(return_X_y=True)
NETWORK = network_with("BatchNorm", 16, 64)


def _models(**settings):
    settings |= {"n_rounds": 2, "random_state": 3}
    models = of_each_population(NETWORK, X, Y, TrainingOptions.of(**settings))
    return models, horn.train(NETWORK, X, Y, **settings).model


@pytest.mark.parametrize("redraw", [False, True])
def test_measured_anew_it_is_the_librarys(redraw):
    models, expected = _models(n_groups=2, n_submodels=[2], redraw=redraw)
    np.testing.assert_allclose(models["anew"].parameters, expected.parameters, atol=1e-6)
    np.testing.assert_allclose(models["anew"].statistics, expected.statistics, atol=1e-4)
    for name in ("submodels", "before"):
        assert models[name].parameters is models["anew"].parameters
        assert not np.array_equal(models[name].statistics, models["anew"].statistics)


def test_the_population_of_the_only_sub_model_is_the_parents():
    models, _ = _models(n_submodels=1)
    np.testing.assert_allclose(
        models["submodels"].statistics, models["anew"].statistics, rtol=1e-4, atol=1e-5
    )
