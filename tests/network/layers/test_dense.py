from __future__ import annotations

import numpy as np
import pytest

from dask_horn.network import ACTIVATIONS, Dense, Signal


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_taken(activation):
    assert Dense(3, activation=activation).activation == activation


def test_numpy_values_make_the_same_layer():
    layer = Dense(np.int64(3), activation=np.str_("relu"), use_bias=np.True_)
    assert layer == Dense(3, activation="relu")
    assert hash(layer) == hash(Dense(3, activation="relu"))
    assert type(layer.units) is int
    assert type(layer.use_bias) is bool


def test_a_layer_cannot_be_changed():
    with pytest.raises(AttributeError):
        Dense(3).units = 4


def test_repr_leaves_defaults_out():
    assert repr(Dense(3)) == "Dense(3)"
    assert (
        repr(Dense(3, "relu", False, name="wide"))
        == "Dense(3, activation='relu', use_bias=False, name='wide')"
    )


@pytest.mark.parametrize("units", [2.0, "8", None, True])
def test_units_must_be_an_integer(units):
    with pytest.raises(TypeError, match=r"^units must be an integer of at least 1, got "):
        Dense(units)


@pytest.mark.parametrize("units", [0, -3])
def test_units_must_be_positive(units):
    with pytest.raises(ValueError, match=f"^units must be an integer of at least 1, got {units}"):
        Dense(units)


def test_an_unknown_activation_is_told_the_known():
    with pytest.raises(ValueError, match=r"one of 'relu', 'tanh', .*'linear', got 'swish'$"):
        Dense(3, activation="swish")
    with pytest.raises(TypeError, match=r"one of 'relu', .* got None$"):
        Dense(3, activation=None)


def test_softmax_is_told_whose_work_it_is():
    with pytest.raises(ValueError, match="the loss applies the softmax"):
        Dense(3, activation="softmax")


@pytest.mark.parametrize("name", ["", "a/b", "a.b", "1st", "_x", "é"])
def test_a_name_must_be_fit_for_a_store(name):
    with pytest.raises(ValueError, match=r"^name must be a string of letters, digits"):
        Dense(3, name=name)


def test_a_name_must_be_a_string():
    with pytest.raises(TypeError, match=r"^name must be a string.*got 3$"):
        Dense(3, name=3)


@pytest.mark.parametrize("use_bias", ["no", 1, None])
def test_use_bias_must_be_a_bool(use_bias):
    with pytest.raises(TypeError, match=r"^use_bias must be True or False"):
        Dense(3, use_bias=use_bias)


def test_samples_of_several_dimensions_need_a_flatten():
    with pytest.raises(ValueError, match=r"got the shape \(28, 28, 1\); put a Flatten before it"):
        Dense(3).outputs(Signal((28, 28, 1), "conv2d_1"))


def test_tensors():
    weight, bias = Dense(3, "tanh", name="wide").tensors(Signal((5,), "input"))
    assert (weight.name, weight.shape, weight.axes) == ("wide/W", (5, 3), ("input", "wide"))
    assert (bias.name, bias.shape, bias.axes) == ("wide/b", (3,), ("wide",))
    assert (weight.fan_in, weight.fan_out, weight.activation) == (5, 3, "tanh")
    assert weight.decays
    assert not bias.decays
    assert len(Dense(3, use_bias=False, name="wide").tensors(Signal((5,), "input"))) == 1


def test_a_layer_without_a_name_has_no_axis():
    with pytest.raises(ValueError, match="name"):
        Dense(3).outputs(Signal((5,), "input"))
