"""SimpleRNN, LSTM, GRU, step by step; and Embedding."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from dask_horn.network import GRU, LSTM, Embedding, Layer, PlacedLayer, Recurrent, SimpleRNN
from tests.oracle.activations import activation, activation_slope
from tests.oracle.passes import Array, Arrays, Backward, Options, passes, tensor_of

#: From the gradients of the states after a step to those of the sums of x and of h, and of the
#: states before it.
StepBack = Callable[[Array, Array], tuple[Array, Array, Array, Array]]


@passes(SimpleRNN, LSTM, GRU)
def recurrent_pass(
    placed: PlacedLayer, params: Mapping[str, ArrayLike], x: Array, options: Options
) -> tuple[Array, Backward]:
    """The states h of samples (batch, steps, in) after each step, or the last.

    `options.masks` holds which entries of U are KEPT, as bools: (batch, units, gates units), or
    (1, units, gates units) where all samples share them.
    """
    layer, name = placed.layer, placed.layer.name
    w, u = (options.scale(f"{name}/{a}") * tensor_of(params, f"{name}/{a}") for a in "WU")
    b = tensor_of(params, f"{name}/b") if layer.use_bias else np.zeros((4, w.shape[2]))
    n_gates = w.shape[1]
    batch, steps = x.shape[:2]
    kept = _kept(layer, options, u)
    of_u = np.broadcast_to(kept * u, (batch, *u.shape))
    counted = options.counted_of(batch, steps)
    h = c = np.zeros((batch, w.shape[2]))
    before, ways_back, after = [], [], []
    for t in range(steps):
        before.append(h)
        of_x = np.einsum("bi,igh->bgh", x[:, t], w) + b[:n_gates]
        of_h = np.einsum("bi,bigh->bgh", h, of_u)
        of_h[:, -1] += b[3] if isinstance(layer, GRU) else 0
        new_h, new_c, back = _step(layer, of_x, of_h, h, c)
        h, c = (np.where(counted[:, t, None], *pair) for pair in ((new_h, h), (new_c, c)))
        after.append(h)
        ways_back.append(back)

    def backward(g: Array) -> tuple[Array, Arrays]:
        if not layer.return_sequences:
            g = np.stack([np.zeros_like(g)] * (steps - 1) + [g], axis=1)
        found = {"W": np.zeros_like(w), "U": np.zeros_like(u), "b": np.zeros_like(b)}
        to_x = np.empty_like(x)
        dh, dc = np.zeros_like(h), np.zeros_like(c)
        for t in reversed(range(steps)):
            real = counted[:, t, None]
            dh = dh + g[:, t]
            of_x, of_h, dh_before, dc_before = ways_back[t](real * dh, real * dc)
            found["W"] += np.einsum("bi,bgh->igh", x[:, t], of_x)
            found["U"] += (kept * np.einsum("bi,bgh->bigh", before[t], of_h)).sum(axis=0)
            found["b"][:n_gates] += of_x.sum(axis=0)
            if isinstance(layer, GRU):
                found["b"][3] += of_h[:, 2].sum(axis=0)
            to_x[:, t] = np.einsum("bgh,igh->bi", of_x, w)
            dh = ~real * dh + dh_before + np.einsum("bgh,bigh->bi", of_h, of_u)
            dc = ~real * dc + dc_before
        for letter in "WU":
            found[letter] *= options.scale(f"{name}/{letter}")
        return to_x, {
            f"{name}/{letter}": value
            for letter, value in found.items()
            if letter != "b" or layer.use_bias
        }

    return np.stack(after, axis=1) if layer.return_sequences else h, backward


def _kept(layer: Recurrent, options: Options, u: Array) -> Array:
    """What U is multiplied by: (batch, *u.shape), or (1, *u.shape) where all samples share it."""
    if layer.name not in options.masks:
        return np.ones((1, *u.shape))
    mask = np.asarray(options.masks[layer.name])
    if mask.dtype != np.bool_:
        raise TypeError("masks must hold bools, True where an entry is kept")
    return mask.reshape(len(mask), *u.shape) / layer.keep_probability


def _step(
    layer: Layer, of_x: Array, of_h: Array, h: Array, c: Array
) -> tuple[Array, Array, StepBack]:
    match layer:
        case SimpleRNN():
            return _simple_step(layer.activation, of_x, of_h)
        case LSTM():
            return _lstm_step(of_x, of_h, c)
        case GRU():
            return _gru_step(of_x, of_h, h)
    raise TypeError(layer)


def _simple_step(name: str, of_x: Array, of_h: Array) -> tuple[Array, Array, StepBack]:
    z = of_x + of_h
    out = activation(name, z)[:, 0]

    def back(dh: Array, dc: Array) -> tuple[Array, Array, Array, Array]:
        dz = dh[:, None] * activation_slope(name, z)
        return dz, dz, np.zeros_like(dh), dc

    return out, np.zeros_like(out), back


def _lstm_step(of_x: Array, of_h: Array, c: Array) -> tuple[Array, Array, StepBack]:
    z = of_x + of_h
    i, f, o = (expit(z[:, gate]) for gate in (0, 1, 3))
    g = np.tanh(z[:, 2])
    new_c = f * c + i * g
    squashed = np.tanh(new_c)

    def back(dh: Array, dc: Array) -> tuple[Array, Array, Array, Array]:
        do = dh * squashed
        dc = dc + dh * o * (1 - squashed**2)
        dz = np.stack(
            [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), do * o * (1 - o)],
            axis=1,
        )
        return dz, dz, np.zeros_like(dh), dc * f

    return o * squashed, new_c, back


def _gru_step(of_x: Array, of_h: Array, h: Array) -> tuple[Array, Array, StepBack]:
    r, z = (expit(of_x[:, gate] + of_h[:, gate]) for gate in (0, 1))
    n = np.tanh(of_x[:, 2] + r * of_h[:, 2])

    def back(dh: Array, dc: Array) -> tuple[Array, Array, Array, Array]:
        dn = dh * (1 - z) * (1 - n**2)
        dr = dn * of_h[:, 2] * r * (1 - r)
        dz = dh * (h - n) * z * (1 - z)
        return np.stack([dr, dz, dn], 1), np.stack([dr, dz, dn * r], 1), dh * z, dc

    return (1 - z) * n + z * h, np.zeros_like(h), back


@passes(Embedding)
def embedding_pass(
    placed: PlacedLayer, params: Mapping[str, ArrayLike], x: Array, options: Options
) -> tuple[Array, Backward]:
    """The vectors of tokens (batch, steps), of any token where a step is padding."""
    name = f"{placed.layer.name}/E"
    vectors = tensor_of(params, name)
    tokens = np.where(options.counted_of(*x.shape), x, 0).astype(int)

    def backward(g: Array) -> tuple[Array, Arrays]:
        found = np.zeros_like(vectors)
        np.add.at(found, tokens, g)
        return np.zeros_like(x), {name: found}

    return vectors[tokens], backward
