"""The plainest dense network there is: products by BLAS, loops by Numba, all of it on one core.

It stops between forward, backward and update: what travels between workers in the baselines are
gradients of parameters, or activations and their gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["Layers", "initial_values", "predicted"]

Matrix = NDArray[np.float32]
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8
_compiled = numba.njit(nogil=True, cache=True)


def initial_values(widths: Sequence[int], seed: int) -> Matrix:
    """Draw the parameters of the whole network: for each layer W (in, out), then b."""
    random = np.random.default_rng(seed)
    values = []
    for n_in, n_out in pairwise(widths):
        values.append(random.normal(0, (2 / n_in) ** 0.5, n_in * n_out))
        values.append(np.zeros(n_out))
    return np.concatenate(values).astype(np.float32)


class Layers:
    """Some successive layers of a network, relu but for the last, and AdamW.

    `layers` are their numbers in the network of these `widths` (inputs, hidden layers, outputs),
    `parameters` the whole network's. Of their own `parameters` and `gradients` they have one vector
    each, which begins at `first` in the whole network's; `values` are the first one's input and all
    outputs, (batch_size, width), and `slopes` the loss' gradients with respect to them.
    """

    def __init__(
        self, widths: Sequence[int], layers: range, parameters: Matrix, batch_size: int
    ) -> None:
        shapes = list(pairwise(widths))
        sizes = [n_in * n_out + n_out for n_in, n_out in shapes]
        own = [shapes[i] for i in layers]
        self.first = sum(sizes[: layers.start])
        size = sum(sizes[i] for i in layers)
        self.parameters = parameters[self.first : self.first + size].copy()
        self.gradients = np.zeros(size, np.float32)
        self.values = [
            np.zeros((batch_size, n), np.float32) for n in (own[0][0], *(n for _, n in own))
        ]
        self.slopes = [np.zeros_like(value) for value in self.values]
        self._has_input = layers.start == 0
        self._has_output = layers.stop == len(shapes)
        self._weights = _views(self.parameters, own)
        self._weight_gradients = _views(self.gradients, own)
        self._decays = np.zeros(size, np.float32)
        for weight, _ in _views(self._decays, own):
            weight[:] = 1  # biases do not decay
        self._moments = np.zeros((2, size), np.float32)
        self._steps = 0

    def gather(
        self, samples: NDArray[np.uint8], rows: NDArray[np.int64], mean: Matrix, scale: Matrix
    ) -> None:
        """Put standardized samples where the first layer finds them."""
        _gather(samples, rows, mean, scale, self.values[0])

    def forward(self, n: int, classes: NDArray[np.uint8] | None = None) -> float:
        """Compute the outputs of n samples; where the last layer is here, their mean loss too."""
        for i, (weight, bias) in enumerate(self._weights):
            is_output = self._has_output and i == len(self._weights) - 1
            _forward(self.values[i][:n], weight, bias, self.values[i + 1][:n], not is_output)
        if classes is None:
            return 0.0
        return float(_cross_entropy(self.values[-1][:n], classes, self.slopes[-1][:n]))

    def backward(self, n: int) -> None:
        """Compute all gradients from that of the outputs."""
        for i in reversed(range(len(self._weights))):
            weight, (to_weight, to_bias) = self._weights[i][0], self._weight_gradients[i]
            slope, is_output = (
                self.slopes[i + 1][:n],
                self._has_output and i == len(self._weights) - 1,
            )
            if not is_output:
                _through_relu(self.values[i + 1][:n], slope)
            _weight_gradient(self.values[i][:n], slope, to_weight, to_bias)
            if i or not self._has_input:
                _input_gradient(slope, weight, self.slopes[i][:n])

    def update(self, rate: float, decay: float) -> None:
        """Take a step of AdamW along `gradients`."""
        self._steps += 1
        first, second = self._moments
        _adamw(
            self.parameters, self.gradients, first, second, self._decays, self._steps, rate, decay
        )


def predicted(
    widths: Sequence[int], parameters: Matrix, X: NDArray[np.uint8], mean: Matrix, scale: Matrix
) -> NDArray[np.int64]:
    """Return the class of each sample."""
    layers = Layers(widths, range(len(widths) - 1), parameters, len(X))
    layers.gather(X, np.arange(len(X)), mean, scale)
    layers.forward(len(X))
    return layers.values[-1].argmax(axis=1)


def _views(vector: Matrix, shapes: Sequence[tuple[int, int]]) -> list[tuple[Matrix, Matrix]]:
    views, start = [], 0
    for n_in, n_out in shapes:
        end = start + n_in * n_out
        views.append((vector[start:end].reshape(n_in, n_out), vector[end : end + n_out]))
        start = end + n_out
    return views


@_compiled
def _gather(samples: Any, rows: Any, mean: Any, scale: Any, out: Any) -> None:
    for i in range(len(rows)):
        for j in range(len(mean)):
            out[i, j] = (samples[rows[i], j] - mean[j]) / scale[j]


@_compiled
def _forward(x: Any, weight: Any, bias: Any, out: Any, rectified: bool) -> None:
    np.dot(x, weight, out)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            value = out[i, j] + bias[j]
            out[i, j] = max(value, np.float32(0)) if rectified else value


@_compiled
def _through_relu(out: Any, slope: Any) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            if out[i, j] <= 0:
                slope[i, j] = 0


@_compiled
def _weight_gradient(x: Any, slope: Any, to_weight: Any, to_bias: Any) -> None:
    np.dot(x.T, slope, to_weight)
    to_bias[:] = 0
    for i in range(slope.shape[0]):
        for j in range(slope.shape[1]):
            to_bias[j] += slope[i, j]


@_compiled
def _input_gradient(slope: Any, weight: Any, to_input: Any) -> None:
    np.dot(slope, weight.T, to_input)


@_compiled
def _cross_entropy(logits: Any, classes: Any, slope: Any) -> float:
    n, total = len(logits), 0.0
    for i in range(n):
        shifted = np.exp(logits[i] - logits[i].max())
        shifted /= shifted.sum()
        total -= np.log(shifted[classes[i]])
        shifted[classes[i]] -= 1
        slope[i] = shifted / np.float32(n)
    return total / n


@_compiled
def _adamw(
    parameters: Any, gradients: Any, first: Any, second: Any, decays: Any, step: int, rate: float,
    decay: float,
) -> None:  # fmt: skip
    # All in float32: the compiler then takes several at a time.
    one, shrink, epsilon = np.float32(1), np.float32(rate * decay), np.float32(_EPSILON)
    beta_1, beta_2 = np.float32(_BETA_1), np.float32(_BETA_2)
    by_1, by_2 = np.float32(rate / (1 - _BETA_1**step)), np.float32(1 / (1 - _BETA_2**step))
    for i in range(len(parameters)):
        first[i] = beta_1 * first[i] + (one - beta_1) * gradients[i]
        second[i] = beta_2 * second[i] + (one - beta_2) * gradients[i] * gradients[i]
        along = by_1 * first[i] / (np.sqrt(second[i] * by_2) + epsilon)
        parameters[i] -= along + shrink * decays[i] * parameters[i]
