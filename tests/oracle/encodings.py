"""MissingIndicator, PiecewiseLinear and Periodic."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from dask_horn.network import MissingIndicator, Periodic, PiecewiseLinear, PlacedLayer
from tests.oracle.passes import Array, Arrays, Backward, Options, passes, tensor_of


@passes(MissingIndicator)
def missing_indicator_pass(
    placed: PlacedLayer, params: Mapping[str, ArrayLike], x: Array, options: Options
) -> tuple[Array, Backward]:
    """Zeros in place of NaN, and for each of the layer's columns whether it was one."""
    columns = placed.layer.columns
    missing = np.isnan(x) if columns is None else np.isnan(x[:, list(columns)])
    return np.hstack([np.nan_to_num(x, nan=0.0), missing]), _way_back(x)


@passes(PiecewiseLinear)
def piecewise_linear_pass(
    placed: PlacedLayer, params: Mapping[str, ArrayLike], x: Array, options: Options
) -> tuple[Array, Backward]:
    """How far each column fills each of its bins, less 1/2; one without a width is empty."""
    appended, start = [], 0
    for column, bins in enumerate(_numbers(placed.layer.bins, placed)):
        if bins:
            edges = tensor_of(params, f"{placed.layer.name}/edges")[start : start + bins + 1]
            start += bins + 1
            for low, high in pairwise(edges):
                inverse = 1 / (high - low) if high > low else 0.0
                appended.append(np.clip((x[:, column] - low) * inverse, 0, 1) - 0.5)
    return np.column_stack([x, *appended]), _way_back(x)


@passes(Periodic)
def periodic_pass(
    placed: PlacedLayer, params: Mapping[str, ArrayLike], x: Array, options: Options
) -> tuple[Array, Backward]:
    """All cosines, then all sines; only the frequencies have a gradient, if any."""
    numbers, name = _numbers(placed.layer.n, placed), f"{placed.layer.name}/frequencies"
    if not sum(numbers):
        return x, _way_back(x)
    own = np.repeat(x[:, : len(numbers)], numbers, axis=1)
    angles = 2 * np.pi * own * tensor_of(params, name)

    def backward(g: Array) -> tuple[Array, Arrays]:
        of_cosines, of_sines = np.split(g[:, x.shape[1] :], 2, axis=1)
        slope = 2 * np.pi * own * (of_sines * np.cos(angles) - of_cosines * np.sin(angles))
        return g[:, : x.shape[1]], {name: slope.sum(axis=0)} if placed.layer.learned else {}

    return np.hstack([x, np.cos(angles), np.sin(angles)]), backward


def _numbers(numbers: int | tuple[int, ...], placed: PlacedLayer) -> tuple[int, ...]:
    n_inputs = placed.inputs.width - placed.inputs.appended
    return (numbers,) * n_inputs if isinstance(numbers, int) else numbers


def _way_back(x: Array) -> Backward:
    """To the columns that came, as if nothing had been made from them: nobody asks for more."""
    return lambda g: (g[:, : x.shape[1]], {})
