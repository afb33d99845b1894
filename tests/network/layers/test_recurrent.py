from __future__ import annotations

import numpy as np
import pytest

from dask_horn.network import ACTIVATIONS, GRU, LSTM, Dense, Network, Signal, SimpleRNN
from tests import oracle

KINDS = [SimpleRNN, LSTM, GRU]
STEPS = Signal((7, 5), "input")


@pytest.mark.parametrize("kind", KINDS)
def test_numpy_values_make_the_same_layer(kind):
    layer = kind(np.int64(3), return_sequences=np.True_, mask_value=np.float32(0.5))
    assert layer == kind(3, return_sequences=True, mask_value=0.5)
    assert type(layer.units) is int
    assert type(layer.return_sequences) is bool
    assert type(layer.mask_value) is float


@pytest.mark.parametrize("kind", KINDS)
def test_the_output_is_every_step_or_the_last(kind):
    assert kind(3, name="memory").outputs(STEPS) == Signal((3,), "memory")
    each = kind(3, name="memory", return_sequences=True).outputs(STEPS)
    assert each == Signal((7, 3), "memory")


@pytest.mark.parametrize(
    ("kind", "gates", "biases"), [(SimpleRNN, 1, 1), (LSTM, 4, 4), (GRU, 3, 4)]
)
def test_tensors(kind, gates, biases):
    weight, recurrent, bias = kind(3, name="memory").tensors(STEPS)
    assert (weight.name, weight.shape) == ("memory/W", (5, gates, 3))
    assert (weight.axes, weight.source) == (("input", None, "memory"), "input")
    assert (recurrent.name, recurrent.shape) == ("memory/U", (3, gates, 3))
    assert (recurrent.axes, recurrent.source) == (("memory", None, "memory"), "memory")
    assert (bias.name, bias.shape, bias.axes) == ("memory/b", (biases, 3), (None, "memory"))
    assert (weight.uses, recurrent.uses) == (7, 7)
    assert (weight.fan_in, recurrent.fan_in) == (5, 3)
    assert bias.source is None
    assert [tensor.decays for tensor in (weight, recurrent, bias)] == [True, True, False]
    assert len(kind(3, name="memory", use_bias=False).tensors(STEPS)) == 2


def test_an_lstm_remembers_at_first():
    network = Network([LSTM(3), Dense(2)], (7, 5))
    bias = network.parameters.view(network.initial_values(0), "lstm_1/b")
    assert bias.tolist() == [[0] * 3, [1] * 3, [0] * 3, [0] * 3]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_simple_rnn_takes_every_activation(activation):
    layer = SimpleRNN(3, activation, name="memory")
    assert layer.activation == activation
    w, u, b = layer.tensors(STEPS)
    assert (w.activation, u.activation, b.activation) == (activation, "tanh", activation)
    with pytest.raises(ValueError, match="activation must be one of"):
        SimpleRNN(3, "swish")


@pytest.mark.parametrize("activation", ["relu", "gelu", "leaky_relu"])
def test_an_unbounded_state_does_not_grow_from_step_to_step(activation):
    network = Network([SimpleRNN(64, activation, return_sequences=True), Dense(2)], (60, 8))
    params = network.parameters.as_dict(network.initial_values(0).astype(float))
    params["output/W"] = np.eye(64, 2)
    states, _ = oracle.forward(network, params, np.random.default_rng(0).normal(size=(30, 60, 8)))
    assert np.square(states[:, 40:]).mean() < 3 * np.square(states[:, :5]).mean()


@pytest.mark.parametrize("shape", [(5,), (4, 4, 3)])
@pytest.mark.parametrize("kind", KINDS)
def test_samples_must_have_steps(kind, shape):
    message = rf"{kind.__name__} takes samples of shape \(steps, features\), .* return_sequences"
    with pytest.raises(ValueError, match=message):
        kind(3, name="memory").outputs(Signal(shape, "input"))


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_are_checked(kind):
    with pytest.raises(ValueError, match="units must be an integer of at least 1, got 0"):
        kind(0)
    with pytest.raises(TypeError, match=r"return_sequences must be True or False, got 1$"):
        kind(3, return_sequences=1)
    with pytest.raises(TypeError, match="use_bias must be True or False, got None"):
        kind(3, use_bias=None)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_mask_value_must_be_finite(value):
    with pytest.raises(
        ValueError, match="mask_value must be None or a finite number in the range of float32, got"
    ):
        LSTM(3, mask_value=value)


@pytest.mark.parametrize("value", ["0", True])
def test_a_mask_value_must_be_a_number(value):
    with pytest.raises(
        TypeError, match="mask_value must be None or a finite number in the range of float32, got"
    ):
        LSTM(3, mask_value=value)
