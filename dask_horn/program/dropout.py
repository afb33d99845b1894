"""The rows of a dropout layer; a program that predicts has none."""

from __future__ import annotations

from dataclasses import dataclass

from dask_horn.kernels.program import Operation
from dask_horn.network import Dropout, PlacedLayer
from dask_horn.program.layers import Context, emits


@dataclass(frozen=True)
class EmittedDropout:
    """A dropout layer in a program; `mask` is None where it passes its input through."""

    context: Context
    size: int  # values of one sample
    mask: int | None
    output: int

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Mask the gradient in place."""
        if to_input and self.mask is not None:
            operation = Operation("dropout_backward", n_out=self.size)
            self.context.assembler.emit(operation, (gradient, self.mask))
        return gradient


@emits(Dropout)
def emit_dropout(context: Context, placed: PlacedLayer, source: int, stream: int) -> EmittedDropout:
    """Write the forward row; see `Emitter`."""
    layer = placed.layer
    assert isinstance(layer, Dropout)
    size = context.own(placed.inputs).size
    if not context.trains or layer.rate == 0:
        return EmittedDropout(context, size, None, source)
    assembler = context.assembler
    mask, output = assembler.batch_buffer(size), assembler.batch_buffer(size)
    assembler.emit(
        Operation("dropout_forward", n_out=size),
        (source, mask, output),
        constant=assembler.constants(layer.rate),
        stream=stream,
    )
    return EmittedDropout(context, size, mask, output)
