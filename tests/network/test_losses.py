from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, log_softmax

from dask_horn.network import LOSSES, Dense, Network
from tests import oracle


def test_targets():
    assert {name: loss.kind for name, loss in LOSSES.items()} == {
        "cross_entropy": "classes",
        "binary_cross_entropy": "labels",
        "squared_error": "values",
        "huber": "values",
    }
    assert all(name == loss.name for name, loss in LOSSES.items())


@pytest.mark.parametrize("loss", LOSSES)
def test_the_formulas(loss):
    rng = np.random.default_rng(0)
    z, values = rng.normal(scale=2, size=(2, 50, 3))
    predicted, targets = {
        "classes": (log_softmax(z, axis=1), rng.integers(3, size=(50, 1))),
        "labels": (expit(z), rng.integers(2, size=(50, 3))),
        "values": (z, values),
    }[LOSSES[loss].kind]
    found = LOSSES[loss].of_rows(predicted, targets.astype(float))
    assert found.shape == (50,)
    network = Network([Dense(3)], 1, loss)
    assert found.mean() == pytest.approx(oracle.loss(network, z, targets.squeeze()))


def test_an_unknown_loss_is_told_the_known():
    with pytest.raises(ValueError, match=r"^loss must be one of 'cross_entropy', .*, got 'mse'$"):
        Network([Dense(2)], 3, loss="mse")
    with pytest.raises(TypeError, match=r"^loss must be one of .* got None$"):
        Network([Dense(2)], 3, loss=None)


def test_a_softmax_over_one_unit_is_refused():
    with pytest.raises(ValueError, match=r"needs at least 2 output units, got Dense\(1\)"):
        Network([Dense(1)], 3)
    assert Network([Dense(1)], 3, "binary_cross_entropy").n_outputs == 1
