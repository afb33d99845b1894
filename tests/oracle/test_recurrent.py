"""The oracle of recurrent layers and of losses over steps: central differences, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dask_horn.network import (
    ACTIVATIONS,
    GRU,
    LOSSES,
    LSTM,
    Dense,
    Dropout,
    Embedding,
    Network,
    SimpleRNN,
)
from tests import oracle
from tests.oracle.differences import central_differences

BATCH, STEPS, N_INPUTS, N_TOKENS = 4, 5, 3, 6
SEQUENCES = (STEPS, N_INPUTS)

# Padding before, in the middle, behind, and everywhere.
COUNTED = np.array([[0, 1, 1, 1, 1], [1, 0, 1, 0, 1], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]], bool)


def _assert_gradients(layers, input_shape=SEQUENCES, loss="cross_entropy", **options):
    network = Network([*layers, Dense(3)], input_shape, loss)
    rng = np.random.default_rng(0)
    params = {
        name: rng.normal(scale=0.7, size=spec.shape) for name, spec in network.parameters.items()
    }
    x = rng.normal(size=(BATCH, *network.input_shape))
    if isinstance(layers[0], Embedding):
        x = rng.integers(N_TOKENS, size=x.shape)
    rows = BATCH * network.output_rows
    targets = {
        "classes": rng.integers(3, size=rows),
        "values": 2 * rng.normal(size=(rows, 3)),
    }[LOSSES[loss].kind]
    class_weight = options.pop("class_weight", None)
    counted = options.get("counted")

    def of(p):
        outputs, _ = oracle.forward(network, p, x, **options)
        return oracle.loss(network, outputs, targets, class_weight, counted)

    computed = oracle.gradients(
        network, params, x, targets, oracle.Options(**options), class_weight
    )
    expected = central_differences(of, params)
    assert list(computed) == list(expected)
    for name in expected:
        np.testing.assert_allclose(computed[name], expected[name], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("counted", [None, COUNTED], ids=["whole", "padded"])
@pytest.mark.parametrize("each_step", [False, True])
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
def test_gradients_equal_central_differences(kind, use_bias, each_step, counted):
    layer = kind(4, return_sequences=each_step, use_bias=use_bias)
    _assert_gradients([layer], counted=counted)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_of_every_activation(activation):
    _assert_gradients([SimpleRNN(4, activation)], counted=COUNTED)


@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
def test_gradients_of_a_stack_with_scales_and_masks(kind):
    keep = np.random.default_rng(1).random((BATCH, STEPS, 4)) < 0.5
    _assert_gradients(
        [kind(4, return_sequences=True, name="low"), Dropout(0.5), kind(5, name="high")],
        scales={"low/W": 0.5, "low/U": 1.5, "high/W": 2.0, "high/U": 0.7, "output/W": 3.0},
        masks={"dropout_1": keep},
        counted=COUNTED,
    )


@pytest.mark.parametrize("n_masks", [BATCH, 1])
@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
def test_gradients_where_entries_of_u_are_dropped(kind, n_masks):
    keep = np.random.default_rng(1).random((n_masks, 4, kind.n_gates * 4)) < 0.5
    layer = kind(4, return_sequences=True, dropconnect=0.5, name="low")
    options = {"scales": {"low/U": 1.5}, "masks": {"low": keep}, "counted": COUNTED}
    _assert_gradients([layer], **options)


@pytest.mark.parametrize("counted", [None, COUNTED])
def test_gradients_of_an_embedding(counted):
    layers = [Embedding(N_TOKENS, 4), LSTM(3, return_sequences=True)]
    _assert_gradients(layers, STEPS, counted=counted)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error", "huber"])
def test_gradients_of_losses_over_steps(loss):
    layers = [GRU(4, return_sequences=True), Dense(3, activation="tanh")]
    weights = [0.5, 1, 3] if loss == "cross_entropy" else None
    _assert_gradients(layers, loss=loss, counted=COUNTED, class_weight=weights)


def test_an_lstm_by_hand():
    network = Network([LSTM(1), Dense(1)], (2, 1), "squared_error")
    params = {
        "lstm_1/W": [[[0], [0], [1], [0]]],
        "lstm_1/U": [[[0], [0], [0], [2]]],
        "lstm_1/b": [[np.log(3)], [-np.log(3)], [0], [0]],
        "output/W": [[1]],
        "output/b": [0],
    }
    # i = 3/4 and f = 1/4 throughout; c = 3/4 tanh(x), then 1/4 of it and 3/4 tanh(x) more.
    first = 0.75 * np.tanh(1.0)
    second = 0.25 * first + 0.75 * np.tanh(-2.0)
    output_gate = 1 / (1 + np.exp(-2 * 0.5 * np.tanh(first)))
    outputs, _ = oracle.forward(network, params, [[[1.0], [-2.0]]])
    assert outputs.item() == pytest.approx(output_gate * np.tanh(second), rel=1e-12)


def test_a_gru_by_hand():
    network = Network([GRU(1), Dense(1)], (2, 1), "squared_error")
    params = {
        "gru_1/W": [[[0], [0], [1]]],
        "gru_1/U": [[[0], [0], [2]]],
        "gru_1/b": [[np.log(3)], [-np.log(3)], [0.5], [0.25]],
        "output/W": [[1]],
        "output/b": [0],
    }
    # r = 3/4 and z = 1/4 throughout.
    first = 0.75 * np.tanh(1.5 + 0.75 * 0.25)
    second = 0.75 * np.tanh(-1.5 + 0.75 * (2 * first + 0.25)) + 0.25 * first
    outputs, _ = oracle.forward(network, params, [[[1.0], [-2.0]]])
    assert outputs.item() == pytest.approx(second, rel=1e-12)


@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
def test_padding_is_as_if_it_were_not_there(kind):
    network = Network([kind(4, return_sequences=True), Dense(3)], SEQUENCES)
    short = Network([kind(4, return_sequences=True), Dense(3)], (2, N_INPUTS))
    rng = np.random.default_rng(0)
    params = {name: rng.normal(size=spec.shape) for name, spec in network.parameters.items()}
    x = rng.normal(size=(1, *SEQUENCES))
    found, _ = oracle.forward(network, params, x, counted=[[0, 1, 0, 1, 0]])
    expected, _ = oracle.forward(short, params, x[:, [1, 3]])
    np.testing.assert_allclose(found[:, [1, 3]], expected, rtol=1e-12)
    np.testing.assert_array_equal(found[:, [2, 4]], found[:, [1, 3]])
    loss = oracle.loss(network, found, [9, 2, -1, 0, 9], counted=[[0, 1, 0, 1, 0]])
    assert loss == pytest.approx(oracle.loss(short, expected, [2, 0]), rel=1e-12)


def test_a_batch_of_padding_has_no_loss():
    network = Network([LSTM(2, return_sequences=True), Dense(3)], SEQUENCES)
    z, targets, nothing = np.ones((2, STEPS, 3)), np.zeros((2, STEPS)), np.zeros((2, STEPS))
    assert oracle.loss(network, z, targets, counted=nothing) == 0
    assert not oracle.loss_gradient(network, z, targets, counted=nothing).any()
