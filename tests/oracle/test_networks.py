"""The oracle judges the kernels; finite differences and known numbers judge the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from dask_horn.network import (
    ACTIVATIONS,
    LOSSES,
    LSTM,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    LayerNorm,
    MaxPool2D,
    Network,
)
from tests import oracle
from tests.oracle.differences import central_differences

BATCH, N_INPUTS, N_OUTPUTS = 5, 4, 3


def _network(activation="tanh", loss="cross_entropy", **dense):
    return Network(
        [
            Dense(6, activation=activation, **dense),
            Dropout(0.5),
            Dense(5, activation=activation, **dense),
            Dense(N_OUTPUTS, **dense),
        ],
        N_INPUTS,
        loss,
    )


def _problem(network, seed=0):
    """Parameters (biases too), samples and targets for the network, all float64."""
    rng = np.random.default_rng(seed)
    params = {name: rng.normal(size=spec.shape) for name, spec in network.parameters.items()}
    x = rng.normal(size=(BATCH, *network.input_shape))
    targets = {
        "classes": rng.integers(N_OUTPUTS, size=BATCH),
        "labels": rng.integers(2, size=(BATCH, N_OUTPUTS)),
        "values": 3 * rng.normal(size=(BATCH, N_OUTPUTS)),
    }[LOSSES[network.loss].kind]
    return params, x, targets


def _assert_gradients(network, **options):
    params, x, targets = _problem(network)
    class_weight = options.pop("class_weight", None)

    def of(p):
        outputs, _ = oracle.forward(network, p, x, **options)
        return oracle.loss(network, outputs, targets, class_weight)

    computed = oracle.gradients(
        network, params, x, targets, oracle.Options(**options), class_weight
    )
    expected = central_differences(of, params)
    assert list(computed) == list(expected)
    for name in expected:
        np.testing.assert_allclose(computed[name], expected[name], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_equal_central_differences(activation, loss):
    _assert_gradients(_network(activation, loss))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_carry_scales_and_masks(activation):
    keep = np.random.default_rng(1).random((BATCH, 6)) < 0.5
    _assert_gradients(
        _network(activation),
        scales={"dense_1/W": 1.5, "dense_2/W": 0.5, "output/W": 2.0},
        masks={"dropout_1": keep},
    )


def test_gradients_carry_class_weights():
    _assert_gradients(_network(), class_weight=[0.5, 1.0, 4.0])


def test_gradients_without_biases():
    _assert_gradients(_network(use_bias=False))


@pytest.mark.parametrize("norm", [BatchNorm, LayerNorm])
@pytest.mark.parametrize("activation", ["linear", "tanh", "gelu"])
def test_gradients_through_normalization(norm, activation):
    layers = [norm(), Dense(6), norm(0.1, activation), Dense(5, "tanh"), norm(), Dense(N_OUTPUTS)]
    _assert_gradients(Network(layers, N_INPUTS))
    _assert_gradients(Network(layers, N_INPUTS), scales={"dense_1/W": 1.5, "dense_2/W": 0.5})


@pytest.mark.parametrize(
    "layers",
    [
        [Conv2D(3, 2), BatchNorm(0.1, "tanh"), MaxPool2D(2), BatchNorm(), Flatten()],
        [Conv2D(3, 2), LayerNorm(0.1, "tanh"), Flatten(), LayerNorm()],
    ],
    ids=repr,
)
def test_gradients_through_normalized_images(layers):
    _assert_gradients(Network([*layers, Dense(N_OUTPUTS)], (6, 5, 2)))


@pytest.mark.parametrize("norm", [BatchNorm, LayerNorm])
def test_gradients_through_normalized_sequences(norm):
    layers = [LSTM(3, return_sequences=True), norm(0.1, "tanh"), LSTM(2), norm(0.1)]
    _assert_gradients(Network([*layers, Dense(N_OUTPUTS)], (4, 2)))


def test_gradients_where_the_population_normalizes():
    network = Network([Dense(6), BatchNorm(0.1, "tanh"), Dense(N_OUTPUTS)], N_INPUTS)
    population = {"batch_norm_1/mean": np.arange(6.0), "batch_norm_1/variance": np.full(6, 2.0)}
    _assert_gradients(network, statistics=population)


def test_normalization_by_hand():
    params = {"output/W": np.eye(2), "output/b": np.zeros(2)}
    x = [[0, 1], [4, 1]]
    for norm, expected in (
        # Columns: mean 2, variance 4; mean 1, variance 0. Rows: mean 0.5, 0.25; mean 2.5, 2.25.
        (BatchNorm, [[-2 / np.sqrt(5), 0], [2 / np.sqrt(5), 0]]),
        (
            LayerNorm,
            [
                [-0.5 / np.sqrt(1.25), 0.5 / np.sqrt(1.25)],
                [1.5 / np.sqrt(3.25), -1.5 / np.sqrt(3.25)],
            ],
        ),
    ):
        network = Network([norm(epsilon=1), Dense(2)], 2)
        name = f"{norm.kind}_1"
        scaled = params | {f"{name}/gamma": [3, 3], f"{name}/beta": [0, 10]}
        found, _ = oracle.forward(network, scaled, x)
        np.testing.assert_allclose(found, 3 * np.array(expected) + [0, 10])


@pytest.mark.parametrize(
    "layers",
    [
        [Conv2D(3, (2, 3), stride=(1, 2), activation="tanh"), Flatten(), Dense(4)],
        [Conv2D(3, 3, padding="same", activation="gelu"), MaxPool2D(2), Conv2D(2, 2), Flatten()],
        [Conv2D(3, 2, stride=2, padding="same"), AveragePool2D(2, padding="same"), Flatten()],
        [Conv2D(3, 2), MaxPool2D(3, stride=1, padding="same"), GlobalAveragePool2D()],
    ],
    ids=repr,
)
def test_gradients_of_convolutions_equal_central_differences(layers):
    network = Network([*layers, Dense(N_OUTPUTS)], (6, 5, 2))
    scales = {tensor.name: 0.7 for tensor in network.parameters.tensors if tensor.source}
    _assert_gradients(network, scales=scales)


def test_a_convolution_by_hand():
    network = Network([Conv2D(1, 2, padding="same"), Flatten(), Dense(4)], (2, 2, 1))
    params = {
        "conv2d_1/W": np.array([[1, 10], [100, 1000]]).reshape(2, 2, 1, 1),
        "conv2d_1/b": [0.5],
        "output/W": np.eye(4),
        "output/b": np.zeros(4),
    }
    # The odd row and column of zeros are put behind.
    out, _ = oracle.forward(network, params, [[1, 2, 3, 4]])
    assert out.tolist() == [[4321.5, 402.5, 43.5, 4.5]]


def test_pools_by_hand():
    x = np.array([[1, 2, 3], [4, 6, 5], [9, 7, 8]])
    for layer, expected in (
        (MaxPool2D(2), [6]),
        (MaxPool2D(2, padding="same"), [6, 5, 9, 8]),
        (AveragePool2D(2, padding="same"), [13 / 4, 4, 8, 8]),
        (GlobalAveragePool2D(), [5]),
    ):
        network = Network([layer, Flatten(), Dense(len(expected))], (3, 3, 1), "squared_error")
        params = {"output/W": np.eye(len(expected)), "output/b": np.zeros(len(expected))}
        assert oracle.forward(network, params, x[None])[0].tolist() == [expected]


def test_forward_by_hand():
    network = Network([Dense(2, activation="relu"), Dropout(0.5), Dense(1)], 2, "squared_error")
    params = {
        "dense_1/W": [[1, -1], [1, 0]],
        "dense_1/b": [10, 1],
        "output/W": [[1], [2]],
        "output/b": [0.5],
    }
    x = [[1, 2], [-3, 0]]

    def outputs(**options):
        return oracle.forward(network, params, x, **options)[0].ravel().tolist()

    assert outputs() == [13 + 0 + 0.5, 7 + 2 * 4 + 0.5]
    # The scale multiplies the product, not the bias.
    assert outputs(scales={"dense_1/W": 2.0}) == [16 + 0 + 0.5, 4 + 2 * 7 + 0.5]
    keep = np.array([[True, True], [False, True]])
    assert outputs(masks={"dropout_1": keep}) == [2 * 13 + 0.5, 2 * 2 * 4 + 0.5]


def test_samples_of_several_dimensions_are_rows():
    network = Network([Dense(2)], (3, 2))
    params = {"output/W": np.arange(12.0).reshape(6, 2), "output/b": np.zeros(2)}
    x = np.random.default_rng(0).normal(size=(4, 3, 2))
    np.testing.assert_array_equal(
        oracle.forward(network, params, x)[0], oracle.forward(network, params, x.reshape(4, 6))[0]
    )


def test_a_mask_must_say_which_units_are_kept():
    network = _network()
    params, x, _ = _problem(network)
    with pytest.raises(TypeError, match="bools"):
        oracle.forward(network, params, x, masks={"dropout_1": np.ones((BATCH, 6))})


@pytest.mark.parametrize(
    ("loss", "outputs", "targets", "expected"),
    [
        ("cross_entropy", [[0, 0], [0, np.log(3)]], [0, 0], (np.log(2) + np.log(4)) / 2),
        (
            "binary_cross_entropy",
            [[0, 0], [0, np.log(3)]],
            [[1, 0], [1, 1]],
            np.log(16 / 3 * 2) / 4,
        ),
        ("squared_error", [[1, 2], [3, 4]], [[1, 0], [0, 4]], (4 + 9) / 2 / 4),
        ("huber", [[0.5, 2], [-3, 4]], [[0, 0], [0, 4]], (0.125 + 1.5 + 2.5) / 4),
    ],
)
def test_losses_by_hand(loss, outputs, targets, expected):
    network = Network([Dense(2)], 1, loss)
    assert oracle.loss(network, outputs, targets) == pytest.approx(expected, rel=1e-12)


def test_losses_of_far_outputs_are_finite():
    for loss, targets in (("cross_entropy", [0]), ("binary_cross_entropy", [[1, 0]])):
        network = Network([Dense(2)], 1, loss)
        assert oracle.loss(network, [[-1000, 1000]], targets) in (2000.0, 1000.0)


def test_class_weights_do_not_change_the_divisor():
    network = Network([Dense(2)], 1)
    assert oracle.loss(network, np.zeros((4, 2)), [0, 0, 0, 1], [1, 5]) == pytest.approx(
        2 * np.log(2)
    )


# Two steps with gradients 1 and -2 from w = 1, learning rate 0.1, momentum 0.5, decay 0.2: by hand.
#   plain:  v = 1, w = 0.9;              v = 0.5 - 2 = -1.5, w = 1.05
#   decay:  g = 1.2, v = 1.2, w = 0.88;  g = -1.824, v = -1.224, w = 1.0024
#   nesterov: v = 1, w = 1 - 0.1 (1 + 0.5) = 0.85;  v = -1.5, w = 0.85 - 0.1 (-2 - 0.75) = 1.125
@pytest.mark.parametrize(
    ("nesterov", "decay", "weight", "bias"),
    [(False, 0.0, 1.05, 1.05), (False, 0.2, 1.0024, 1.05), (True, 0.0, 1.125, 1.125)],
)
def test_sgd_by_hand(nesterov, decay, weight, bias):
    network = Network([Dense(1)], 1, "squared_error")
    params = {"output/W": np.ones((1, 1)), "output/b": np.ones(1)}
    velocity = oracle.zeros_like(params)
    for g in (1.0, -2.0):
        grads = {name: np.full_like(value, g) for name, value in params.items()}
        params, velocity = oracle.sgd_step(
            network, params, grads, velocity, 0.1, 0.5, nesterov=nesterov, weight_decay=decay
        )
    assert params["output/W"].item() == pytest.approx(weight)
    assert params["output/b"].item() == pytest.approx(bias)


def test_adamw_by_hand():
    # First step: m/(1-b1) = g, v/(1-b2) = g^2, so w moves by lr * sign(g), after decay.
    # Second step, gradient -g: m = 0.9 * 0.1 g - 0.1 g = -0.01 g, over 1 - 0.81; v again gives g^2.
    network = Network([Dense(1)], 1, "squared_error")
    params = {"output/W": np.full((1, 1), 2.0), "output/b": np.full(1, 2.0)}
    state = oracle.AdamState.zeros(params)
    grads = {"output/W": np.full((1, 1), 5.0), "output/b": np.full(1, -5.0)}
    params, state = oracle.adamw_step(network, params, grads, state, 0.1, weight_decay=0.5)
    assert params["output/W"].item() == pytest.approx(2.0 * 0.95 - 0.1)
    assert params["output/b"].item() == pytest.approx(2.0 + 0.1)
    opposite = {name: -g for name, g in grads.items()}
    params, state = oracle.adamw_step(network, params, opposite, state, 0.1)
    assert params["output/W"].item() == pytest.approx(1.8 + 0.1 * 0.01 / 0.19)
    assert state.step == 2


def test_clipping_keeps_the_direction_of_all_gradients_together():
    grads = {"a": np.array([3.0]), "b": np.array([[4.0]])}
    clipped = oracle.clip_by_norm(grads, 1.0)
    assert clipped["a"].item() == pytest.approx(0.6)
    assert clipped["b"].item() == pytest.approx(0.8)
    assert oracle.clip_by_norm(grads, 5.0)["a"].item() == 3.0
    assert oracle.clip_by_norm({"a": np.zeros(2)}, 1.0)["a"].tolist() == [0, 0]


# Random123's kat_vectors, "philox4x32 10".
@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_known_answers(counter, key, expected):
    assert oracle.philox4x32(counter, key) == expected
