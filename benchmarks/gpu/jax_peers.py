"""JAX: ``jit(scan(vmap(step)))``, with products in float32 throughout ("highest")."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from benchmarks.operations import RATE, Call

__all__ = ["begun", "loss", "stacked", "step"]

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


def stacked(widths: tuple[int, ...], n: int, batch: int, steps: int) -> Call:
    """Make a call of so many AdamW steps of n networks at once, each on batches of its own."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_default_matmul_precision", "highest")
    n_batches = min(4, steps)
    keys = jax.random.split(jax.random.PRNGKey(0), 3)
    x = jax.random.normal(keys[0], (n_batches, n, batch, widths[0]))
    y = jax.random.randint(keys[1], (n_batches, n, batch), 0, widths[-1])
    state = jax.vmap(lambda key: _start(widths, key))(jax.random.split(keys[2], n))

    @jax.jit
    def run(state: Any, x: Any, y: Any) -> Any:
        def body(state: Any, i: Any) -> Any:
            return jax.vmap(step)(state, x[i % n_batches], y[i % n_batches]), None

        return jax.lax.scan(body, state, jnp.arange(steps))[0]

    return lambda: jax.block_until_ready(run(state, x, y))


def _start(widths: tuple[int, ...], key: Any) -> Any:
    """Draw a network's weights, and begin."""
    import jax
    import jax.numpy as jnp

    layers = []
    for n_in, n_out in pairwise(widths):
        key, own = jax.random.split(key)
        layers.append((jax.random.normal(own, (n_in, n_out)) * (2 / n_in) ** 0.5, jnp.zeros(n_out)))
    return begun(layers)


def begun(layers: Any) -> Any:
    """Return what a training goes on from: weights and biases, both moments, and the steps done."""
    import jax
    import jax.numpy as jnp

    zeros = jax.tree_util.tree_map(jnp.zeros_like, layers)
    return layers, zeros, zeros, jnp.float32(0)


def loss(layers: Any, x: Any, y: Any) -> Any:
    """Return the mean cross entropy of relu layers."""
    import jax
    import jax.numpy as jnp

    for i, (weight, bias) in enumerate(layers):
        x = x @ weight + bias
        if i < len(layers) - 1:
            x = jax.nn.relu(x)
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1))


def step(state: Any, x: Any, y: Any, rate: Any = RATE) -> Any:
    """Take a step of AdamW, without decay, as ours."""
    import jax
    import jax.numpy as jnp

    layers, first, second, done = state
    gradient, each = jax.grad(loss)(layers, x, y), jax.tree_util.tree_map
    done = done + 1
    first = each(lambda m, g: _BETA_1 * m + (1 - _BETA_1) * g, first, gradient)
    second = each(lambda v, g: _BETA_2 * v + (1 - _BETA_2) * g * g, second, gradient)
    ahead, size = 1 - _BETA_1**done, 1 - _BETA_2**done
    layers = each(
        lambda w, m, v: w - rate * (m / ahead) / (jnp.sqrt(v / size) + _EPSILON),
        layers,
        first,
        second,
    )
    return layers, first, second, done
