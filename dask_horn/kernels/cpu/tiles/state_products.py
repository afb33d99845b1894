"""The product with U in the loops over steps: plain, and where each sample has a mask of its own.

Once before the loop c U is laid out as its product likes it, then rows are multiplied by it step
after step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cpu.tiles.floats import copy_floats, scale_floats
from dask_horn.kernels.cpu.tiles.kept_products import (
    kept_dots_size,
    kept_sums_size,
    multiply_kept,
    multiply_kept_transposed,
)
from dask_horn.kernels.cpu.tiles.panels import multiply_packed, pack, pack_transposed, panels_size
from dask_horn.kernels.cpu.tiles.pointers import at


def state_product_size(batch_size: int, units: int, width: int, *, masked: bool) -> int:
    """Elements of work space for U (units, width) as either loop has it laid out."""
    if masked:
        products = max(kept_sums_size(batch_size, width), kept_dots_size(batch_size, width))
        return units * width + products
    return max(panels_size(units, width), panels_size(width, units))


@inlined
def _prepare(u: Any, units: Any, width: Any, scale: Any, prepared: Any, scratch: Any) -> None:
    pack(u, units, width, scale, prepared)


@inlined
def _prepare_back(u: Any, units: Any, width: Any, scale: Any, prepared: Any, scratch: Any) -> None:
    pack_transposed(u, width, units, scale, prepared, scratch)


@inlined
def _prepare_masked(
    u: Any, units: Any, width: Any, scale: Any, prepared: Any, scratch: Any
) -> None:
    copy_floats(u, prepared, units * width)
    scale_floats(prepared, units * width, scale)


@inlined
def _multiply(
    states: Any, batch: Any, units: Any, prepared: Any, width: Any, bits: Any, sums: Any,
    scratch: Any,
) -> None:  # fmt: skip
    multiply_packed(states, batch, units, prepared, sums, width, False, scratch)


@inlined
def _multiply_back(
    sums: Any, batch: Any, width: Any, prepared: Any, units: Any, bits: Any, states: Any,
    scratch: Any,
) -> None:  # fmt: skip
    multiply_packed(sums, batch, width, prepared, states, units, True, scratch)


@inlined
def _multiply_masked(
    states: Any, batch: Any, units: Any, prepared: Any, width: Any, bits: Any, sums: Any,
    scratch: Any,
) -> None:  # fmt: skip
    work, no_bias = at(prepared, units * width), prepared
    multiply_kept(
        states, batch, units, prepared, width, 0, no_bias, np.float32(0), bits, sums, work
    )


@inlined
def _multiply_back_masked(
    sums: Any, batch: Any, width: Any, prepared: Any, units: Any, bits: Any, states: Any,
    scratch: Any,
) -> None:  # fmt: skip
    work = at(prepared, units * width)
    multiply_kept_transposed(sums, batch, width, prepared, units, bits, states, True, work)


#: By the end of a kernel's name: how c U is laid out, and how rows are multiplied by it.
FORWARD = {"": (_prepare, _multiply), "_masked": (_prepare_masked, _multiply_masked)}
BACKWARD = {
    "": (_prepare_back, _multiply_back),
    "_masked": (_prepare_masked, _multiply_back_masked),
}
