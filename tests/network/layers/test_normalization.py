from __future__ import annotations

import numpy as np
import pytest

from dask_horn.network import ACTIVATIONS, BatchNorm, Dense, Dropout, LayerNorm, Network, Signal

BOTH = pytest.mark.parametrize("kind", [BatchNorm, LayerNorm])


@BOTH
def test_numpy_values_make_the_same_layer(kind):
    layer = kind(np.float32(0.5), activation=np.str_("relu"))
    assert layer == kind(0.5, "relu")
    assert hash(layer) == hash(kind(0.5, "relu"))
    assert type(layer.epsilon) is float
    assert repr(kind()) == f"{kind.__name__}()"


@BOTH
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_taken(kind, activation):
    assert kind(activation=activation).activation == activation


@BOTH
@pytest.mark.parametrize("epsilon", [0, -1e-3, float("inf"), float("nan")])
def test_epsilon_must_be_above_zero(kind, epsilon):
    with pytest.raises(ValueError, match=r"^epsilon must be a finite number above 0, got "):
        kind(epsilon)


@BOTH
@pytest.mark.parametrize("epsilon", ["1e-3", None, True])
def test_epsilon_must_be_a_number(kind, epsilon):
    with pytest.raises(TypeError, match=r"^epsilon must be a finite number above 0, got "):
        kind(epsilon)


@BOTH
@pytest.mark.parametrize("shape", [(9,), (20, 9), (4, 5, 9)])
def test_a_value_for_each_unit_and_nothing_else_changes(kind, shape):
    layer, signal = kind(name="norm"), Signal(shape, "dense_1")
    assert layer.outputs(signal) == signal
    gamma, beta = layer.tensors(signal)
    for tensor, name in ((gamma, "norm/gamma"), (beta, "norm/beta")):
        assert (tensor.name, tensor.shape, tensor.axes) == (name, (9,), ("dense_1",))
        assert tensor.source is None
        assert not tensor.decays
    assert (gamma.fill, beta.fill) == ((1.0,), (0.0,))


def test_batches_are_not_normalized_after_a_flatten():
    with pytest.raises(ValueError, match="each unit has 6 values; put it before the Flatten"):
        BatchNorm(name="norm").outputs(Signal((48,), "conv2d_1", grid=(2, 3)))


def test_all_values_of_an_image_are_normalized_after_a_flatten():
    signal = Signal((48,), "conv2d_1", grid=(2, 3))
    layer = LayerNorm(name="norm")
    assert layer.outputs(signal) == signal
    for tensor in layer.tensors(signal):
        assert tensor.shape == (2, 3, 8)
        assert tensor.axes == (None, None, "conv2d_1")


def test_a_network_knows_what_is_measured():
    layers = [BatchNorm(), Dense(6, "relu"), LayerNorm(), Dropout(0.1), BatchNorm(), Dense(2)]
    network = Network(layers, 5)
    shapes = {name: tensor.shape for name, tensor in network.statistics.items()}
    assert shapes == {
        "batch_norm_1/mean": (5,),
        "batch_norm_1/variance": (5,),
        "batch_norm_2/mean": (6,),
        "batch_norm_2/variance": (6,),
    }
    assert not set(shapes) & set(network.parameters)
    assert network.unit_axes == {"input": 5, "dense_1": 6, "output": 2}
    assert not Network([Dense(6), LayerNorm(), Dense(2)], 5).statistics


def test_sub_models_have_the_scales_and_shifts_of_their_units():
    network = Network([Dense(6, "relu"), LayerNorm(), BatchNorm(), Dense(2)], 5)
    table = network.parameters.restrict({"dense_1": 4})
    for name in ("layer_norm_1/gamma", "layer_norm_1/beta", "batch_norm_1/gamma"):
        assert table[name].shape == (4,)
        assert name not in network.shared_tensors
    values = network.initial_values(0)
    assert (network.parameters.view(values, "batch_norm_1/gamma") == 1).all()
    assert (network.parameters.view(values, "batch_norm_1/beta") == 0).all()
