"""Rows that draw and apply the masks of DropConnect, for all layers that have them."""

from __future__ import annotations

from dask_horn.kernels.program import Operation
from dask_horn.network.layers.dropconnect import KEEP_STEPS, DropConnected
from dask_horn.program.layers import Context


def draw_masks(
    context: Context,
    layer: DropConnected,
    shape: tuple[int, int],
    stream: int,
    *,
    rows: int = 1,
) -> int:
    """Draw a step's masks of this shape, and return where they lie.

    One for each sample of the batch, `rows` for each where so many are asked for, or one for all,
    as the layer has it.
    """
    assembler = context.assembler
    shared = layer.dropconnect_mask == "batch"
    n_in, n_out = shape
    kernel = "dropconnect_mask" if shared else "dropconnect_masks"
    operation = Operation(kernel, n_in, n_out, rows)
    mask = assembler.result_buffer(operation)
    assembler.emit(
        operation,
        (mask,),
        constant=assembler.constants(KEEP_STEPS * layer.keep_probability),
        stream=stream,
    )
    return mask


def keep_of_mask(
    context: Context,
    source: int,
    target: int,
    mask: int,
    shape: tuple[int, int],
    *,
    factor: float = 1.0,
    first: int = 0,
) -> None:
    """Write what one mask keeps of the source, times a factor, into the target, zeros elsewhere.

    Both, which may be the same, are of the shape given, of the mask's rows from `first` on.
    """
    n_in, n_out = shape
    context.assembler.emit(
        Operation("dropconnect_keep", n_in, n_out, sizes=(first,)),
        (source, target, mask),
        constant=context.assembler.constants(factor),
    )
