from __future__ import annotations

import numpy as np
import pytest

from dask_horn.kernels import rules
from dask_horn.network import Dense, Network
from dask_horn.program import RULES, Optimizer
from tests import oracle
from tests.kernels.runner import run_kernel

SIZE = 77  # not a multiple of any vector's length
NETWORK = Network([Dense(1, use_bias=False)], SIZE, "squared_error")
NAME = "output/W"


def _vectors(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, SIZE)).astype("f4")


def _as_params(vector):
    return {NAME: vector.reshape(SIZE, 1).astype(float)}


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd(momentum, nesterov, decay):
    weight, *gradients = _vectors(6)
    velocity = np.zeros(SIZE, np.float32)
    params, moved = _as_params(weight), oracle.zeros_like(_as_params(weight))
    for step, gradient in enumerate(gradients):
        rate = 0.1 / (step + 1)
        params, moved = oracle.sgd_step(
            *(NETWORK, params, _as_params(gradient), moved, rate, momentum),
            nesterov=nesterov,
            weight_decay=decay,
        )
        ran = run_kernel(
            "sgd",
            *(weight, gradient, velocity),
            n_out=SIZE,
            n_states=1,
            rule=[momentum, nesterov, decay],
            rate=rate,
            step=step,
        )
        weight, kept, velocity = ran.buffers
        np.testing.assert_array_equal(kept, gradient)
        np.testing.assert_allclose(weight, params[NAME][:, 0], rtol=2e-6, atol=2e-6)
        np.testing.assert_allclose(velocity, moved[NAME][:, 0], rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("beta1", [0.9, 0.5])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adamw(decay, beta1):
    weight, *gradients = _vectors(6)
    gradients[0][:3] = 0  # no gradient yet: no step
    first, second = np.zeros((2, SIZE), np.float32)
    params = _as_params(weight)
    state = oracle.AdamState.zeros(params)
    for step, gradient in enumerate(gradients):
        rate = 0.1 / (step + 1)
        params, state = oracle.adamw_step(
            *(NETWORK, params, _as_params(gradient), state, rate, decay), betas=(beta1, 0.999)
        )
        ran = run_kernel(
            "adamw",
            *(weight, gradient, first, second),
            n_out=SIZE,
            n_states=2,
            rule=[beta1, 0.999, 1e-8, decay],
            rate=rate,
            step=step,
        )
        weight, _, first, second = ran.buffers
        np.testing.assert_allclose(weight, params[NAME][:, 0], rtol=3e-6, atol=3e-6)
        np.testing.assert_allclose(first, state.first[NAME][:, 0], rtol=3e-6, atol=1e-6)
        np.testing.assert_allclose(second, state.second[NAME][:, 0], rtol=3e-6, atol=1e-7)


def test_every_optimizer_has_a_kernel_and_formulas_to_judge_it():
    assert set(RULES) == set(rules.RULES) == set(oracle.OPTIMIZERS)
    assert all(rules.RULES[name].n_states == rule.n_states for name, rule in RULES.items())


@pytest.mark.parametrize("name", RULES)
def test_every_optimizer_follows_its_formulas(name):
    settings, by_formula = Optimizer(name, weight_decay=0.1), oracle.OPTIMIZERS[name]
    n_states, constants = RULES[name].n_states, RULES[name].constants(settings, 0.1)
    weight, *gradients = _vectors(6, seed=1)
    states, params = np.zeros((n_states, SIZE), np.float32), _as_params(weight)
    state = by_formula.start(params)
    for step, gradient in enumerate(gradients):
        grads = _as_params(gradient)
        params, state = by_formula.step(NETWORK, params, grads, state, 0.01, settings)
        ran = run_kernel(
            name,
            *(weight, gradient, *states),
            n_out=SIZE,
            n_states=n_states,
            rule=constants,
            rate=0.01,
            step=step,
        )
        weight, _, *states = ran.buffers
        np.testing.assert_allclose(weight, params[NAME][:, 0], rtol=3e-6, atol=3e-6)


@pytest.mark.parametrize("bound", [0.01, 1.0, 8.0, 1e6])
def test_clip_bounds_the_norm(bound):
    gradient = _vectors(1)[0]
    ran = run_kernel("clip", gradient, n_out=SIZE, constants=[bound])
    expected = oracle.clip_by_norm({"g": gradient}, bound)["g"]
    np.testing.assert_allclose(ran.clip * gradient.astype(float), expected, rtol=1e-6)
    np.testing.assert_array_equal(ran.buffers[0], gradient)


def test_clip_of_nothing_and_of_nan():
    assert run_kernel("clip", np.zeros(5, np.float32), n_out=5, constants=[1.0]).clip == 1
    # Clipping must not hide it: a NaN gradient stays one.
    gradient = np.array([1, np.nan], np.float32)
    assert run_kernel("clip", gradient, n_out=2, constants=[1.0]).clip != 0


@pytest.mark.parametrize("optimizer", RULES)
def test_the_clipping_factor_scales_the_gradient_not_the_decay(optimizer):
    weight, gradient = _vectors(2)
    states = np.zeros((2, SIZE), np.float32)
    constants = RULES[optimizer].constants(Optimizer(optimizer), 0.1)

    def stepped(gradient, clip):
        buffers, options = (weight, gradient, *states), {"rate": 0.1, "clip": clip}
        return run_kernel(
            optimizer, *buffers, n_out=SIZE, n_states=2, rule=constants, **options
        ).buffers[0]

    np.testing.assert_allclose(
        stepped(gradient, 0.25), stepped(np.float32(0.25) * gradient, 1.0), rtol=1e-6, atol=1e-7
    )
