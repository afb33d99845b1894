"""The floor under a step: the time of its matrix products alone, by somebody else's BLAS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numba
import numpy as np

from benchmarks.operations import Call

__all__ = ["Product", "blas_floor", "called_floor", "n_operations", "products_of"]

_KINDS = ("forward", "weight", "input")


class Product(NamedTuple):
    """A product of a layer of n_in inputs and n_out outputs on so many rows.

    ``"forward"`` is ``x W``, ``"weight"`` ``xᵀ g`` and ``"input"`` ``g Wᵀ``; done `times` times.
    """

    kind: str
    n_rows: int
    n_in: int
    n_out: int
    times: int = 1


def products_of(n_rows: int, widths: Sequence[tuple[int, int]]) -> list[Product]:
    """Return all products of a step of dense layers; the samples' own gradient is not needed."""
    forward = [Product("forward", n_rows, *layer) for layer in widths]
    weight = [Product("weight", n_rows, *layer) for layer in widths]
    return forward + weight + [Product("input", n_rows, *layer) for layer in widths[1:]]


def n_operations(products: Sequence[Product]) -> int:
    """Count multiplications and additions."""
    return sum(2 * one.n_rows * one.n_in * one.n_out * one.times for one in products)


def blas_floor(products: Sequence[Product]) -> Call:
    """Make a call of the products by the BLAS that numba and scipy use."""
    kinds = np.array([_KINDS.index(one.kind) for one in products])
    times = np.array([one.times for one in products])
    made = [[matrix.copy() for matrix in _matrices(one)] for one in products]
    buffers = [numba.typed.List(column) for column in zip(*made, strict=True)]
    return lambda: _multiply(kinds, times, *buffers)


def called_floor(
    products: Sequence[Product],
    multiply: Callable[[Any, Any], object],
    array: Callable[[Any], Any] = np.asarray,
) -> Call:
    """Make a call of the products by somebody's function, of arrays that `array` makes."""
    calls = []
    for one in products:
        x, weight, gradient, _ = map(array, _matrices(one))
        sides = {"forward": (x, weight), "weight": (x.T, gradient), "input": (gradient, weight.T)}
        calls.append((*sides[one.kind], one.times))

    def call() -> None:
        for left, right, times in calls:
            for _ in range(times):
                multiply(left, right)

    return call


def _matrices(one: Product) -> list[Any]:
    """Draw x, W and g of a product, and make room for what comes out."""
    rows, n_in, n_out = one.n_rows, one.n_in, one.n_out
    result = {"forward": (rows, n_out), "weight": (n_in, n_out), "input": (rows, n_in)}[one.kind]
    shapes = ((rows, n_in), (n_in, n_out), (rows, n_out), result)
    random = np.random.default_rng(0)
    return [random.standard_normal(shape, dtype=np.float32) for shape in shapes]


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def _multiply(kinds: Any, times: Any, x: Any, weight: Any, gradient: Any, result: Any) -> None:
    for i in range(len(x)):
        for _ in range(times[i]):
            if kinds[i] == 0:
                np.dot(x[i], weight[i], result[i])
            elif kinds[i] == 1:
                np.dot(x[i].T, gradient[i], result[i])
            else:
                np.dot(gradient[i], weight[i].T, result[i])
