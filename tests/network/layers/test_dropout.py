from __future__ import annotations

import numpy as np
import pytest

from dask_horn.network import Dropout, Signal


def test_numpy_values_make_the_same_layer():
    layer = Dropout(np.float32(0.5))
    assert layer == Dropout(0.5)
    assert type(layer.rate) is float
    assert Dropout(0) == Dropout(0.0)


@pytest.mark.parametrize("rate", [1, 1.5, -0.1, float("nan"), float("inf")])
def test_rate_must_be_a_probability_below_one(rate):
    with pytest.raises(ValueError, match=r"^rate must be a number of at least 0 and below 1, got"):
        Dropout(rate)


@pytest.mark.parametrize("rate", ["0.5", None, True])
def test_rate_must_be_a_number(rate):
    with pytest.raises(TypeError, match=r"^rate must be a number of at least 0 and below 1, got"):
        Dropout(rate)


def test_dropout_passes_shape_and_axis_on():
    layer = Dropout(0.5, name="drop")
    images = Signal((28, 28, 1), "dense_3")
    assert layer.outputs(images) == images
    assert layer.tensors(images) == ()
