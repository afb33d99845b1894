"""Initial values: a pure function of a parameter table and a seed.

Each tensor has its own generator, keyed by the seed and the tensor's place in the table, so that no
value depends on how many were drawn before it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dask_horn.checks import checked_integer
from dask_horn.network.elements.parameters import ParameterTable, TensorSpec
from dask_horn.randomness import Purpose, generator

# Activations that halve the power of a zero-mean input; He's variance 2 / fan_in compensates.
_RECTIFIERS = frozenset({"relu", "leaky_relu", "gelu"})


def initial_values(table: ParameterTable, seed: int, member: int = 0) -> NDArray[np.float32]:
    """Draw a model's initial parameters.

    Weights before relu, leaky_relu and gelu are He normal, of variance ``2 / fan_in`` [1]_; those
    before tanh, sigmoid and linear are Glorot uniform, within
    ``sqrt(6 / (fan_in + fan_out))`` [2]_. Biases start at the table's `fill`, usually zero, and
    tensors with a `deviation` are normal with mean 0. The padding between tensors is zero.

    Parameters
    ----------
    table : ParameterTable
        The tensors to fill.
    seed : int
        At least 0. The same seed gives the same values.
    member : int, default 0
        Of an ensemble: each has values of its own.

    Returns
    -------
    ndarray of float32, shape (table.size,)
        The parameter vector.

    Raises
    ------
    TypeError, ValueError
        If the seed is not an integer of at least 0.

    References
    ----------
    .. [1] He, Zhang, Ren, Sun: Delving Deep into Rectifiers, ICCV 2015, equation 10.
    .. [2] Glorot, Bengio: Understanding the Difficulty of Training Deep Feedforward Neural
       Networks, AISTATS 2010, equation 16.

    Examples
    --------
    >>> from dask_horn.network import Dense, Network
    >>> table = Network([Dense(2)], input_shape=3).parameters
    >>> values = initial_values(table, seed=0)
    >>> table.view(values, "output/b").tolist()
    [0.0, 0.0]
    >>> bool((initial_values(table, seed=0) == values).all())
    True
    """
    seed = checked_integer("seed", seed, 0)
    vector = np.zeros(table.size, np.float32)
    for index, tensor in enumerate(table.tensors):
        if tensor.source is None and tensor.deviation == 0:
            fill = np.array(tensor.fill, np.float32)
            table.view(vector, tensor.name)[...] = fill.reshape(-1, *[1] * (len(tensor.shape) - 1))
        else:
            rng = generator(seed, Purpose.INITIAL_VALUES, member, index)
            _draw(tensor, rng, vector[tensor.offset : tensor.offset + tensor.size])
    return vector


def spread(activation: str, fan_in: float, fan_out: float) -> float:
    """Return the standard deviation of a normal draw, or the limit of a uniform one."""
    if activation in _RECTIFIERS:
        return math.sqrt(2 / fan_in)
    return math.sqrt(6 / (fan_in + fan_out))


def _draw(tensor: TensorSpec, rng: np.random.Generator, out: NDArray[np.float32]) -> None:
    width = tensor.deviation or spread(tensor.activation, tensor.fan_in, tensor.fan_out)
    if tensor.deviation or tensor.activation in _RECTIFIERS:
        rng.standard_normal(dtype=np.float32, out=out)
        out *= np.float32(width)
    else:
        rng.random(dtype=np.float32, out=out)
        out -= np.float32(0.5)
        out *= np.float32(2 * width)
