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
    mask: int | None  # where it is kept, by devices that do not draw it again
    output: int
    rate: int = 0  # index among the scalars
    stream: int = 0

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Mask the gradient in place."""
        if to_input and self.mask is not None:
            operation = Operation("dropout_backward", n_out=self.size)
            self.context.assembler.emit(
                operation, (gradient, self.mask), constant=self.rate, stream=self.stream
            )
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
    operation = Operation("dropout_forward", n_out=size)
    mask, output = assembler.result_buffer(operation), assembler.batch_buffer(size)
    rate = assembler.constants(layer.rate)
    assembler.emit(operation, (source, mask, output), constant=rate, stream=stream)
    return EmittedDropout(context, size, mask, output, rate, stream)
