from __future__ import annotations

import pytest

from dask_horn.network import LOSSES, Dense, Network


def test_targets():
    assert {name: loss.kind for name, loss in LOSSES.items()} == {
        "cross_entropy": "classes",
        "binary_cross_entropy": "labels",
        "squared_error": "values",
        "huber": "values",
    }
    assert all(name == loss.name for name, loss in LOSSES.items())


def test_an_unknown_loss_is_told_the_known():
    with pytest.raises(ValueError, match=r"^loss must be one of 'cross_entropy', .*, got 'mse'$"):
        Network([Dense(2)], 3, loss="mse")
    with pytest.raises(TypeError, match=r"^loss must be one of .* got None$"):
        Network([Dense(2)], 3, loss=None)


def test_a_softmax_over_one_unit_is_refused():
    with pytest.raises(ValueError, match=r"needs at least 2 output units, got Dense\(1\)"):
        Network([Dense(1)], 3)
    assert Network([Dense(1)], 3, "binary_cross_entropy").n_outputs == 1
