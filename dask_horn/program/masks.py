"""Rows that draw and apply the masks of DropConnect, for all layers that have them."""

from __future__ import annotations

from dataclasses import dataclass

from dask_horn.kernels.program import Operation
from dask_horn.network.layers.dropconnect import KEEP_STEPS, DropConnected
from dask_horn.program.layers import Context


@dataclass(frozen=True)
class Masks:
    """A step's masks of one layer, for the rows that use them.

    Such a row has the masks' stream, and behind its own constant how many of 256 weights are kept:
    with these a device draws masks as it uses them. Other devices read masks drawn before.
    """

    offset: int  # of masks drawn before; 0 where the device draws them as it uses them
    stream: int
    kept: float  # of KEEP_STEPS

    def constants(self, context: Context, own: float) -> int:
        """Keep the constants of a row that uses them; return the first one's index."""
        return context.assembler.constants(own, self.kept)


def draw_masks(
    context: Context,
    layer: DropConnected,
    shape: tuple[int, int],
    stream: int,
    *,
    user: Operation,
    rows: int = 1,
) -> Masks:
    """Draw a step's masks of this shape, unless the operation `user`, which applies them, does.

    One for each sample of the batch, `rows` for each where so many are asked for, or one for all,
    as the layer has it.
    """
    assembler = context.assembler
    kept = KEEP_STEPS * layer.keep_probability
    shared = layer.dropconnect_mask == "batch"
    n_in, n_out = shape
    kernel = "dropconnect_mask" if shared else "dropconnect_masks"
    if assembler.device.fuses(user, kernel):
        return Masks(0, stream, kept)
    operation = Operation(kernel, n_in, n_out, rows)
    offset = assembler.result_buffer(operation)
    assembler.emit(operation, (offset,), constant=assembler.constants(kept), stream=stream)
    return Masks(offset, stream, kept)


def keep_of_mask(
    context: Context,
    source: int,
    target: int,
    mask: Masks,
    shape: tuple[int, int],
    *,
    factor: float = 1.0,
    first: int = 0,
) -> None:
    """Write what one mask keeps of the source, times a factor, into the target, zeros elsewhere.

    Both, which may be the same, are of the shape given, of the mask's rows from `first` on.
    """
    context.assembler.emit(
        keeping(shape, first=first),
        (source, target, mask.offset),
        constant=mask.constants(context, factor),
        stream=mask.stream,
    )


def keeping(shape: tuple[int, int], *, first: int = 0) -> Operation:
    """Return the operation that applies one mask to a matrix of this shape."""
    n_in, n_out = shape
    return Operation("dropconnect_keep", n_in, n_out, sizes=(first,))
