"""The rows of a dropout layer; a program that predicts has none."""

from __future__ import annotations

from dataclasses import dataclass

from dask_horn.network import Dropout
from dask_horn.program.layers import Context

__all__ = ["EmittedDropout", "emit_dropout"]


@dataclass(frozen=True)
class EmittedDropout:
    """A dropout layer in a program; `mask` is None where it passes its input through."""

    context: Context
    width: int
    mask: int | None
    output: int

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Mask the gradient in place."""
        if to_input and self.mask is not None:
            self.context.assembler.emit(
                "dropout_backward", n_out=self.width, operands=(gradient, self.mask)
            )
        return gradient


def emit_dropout(
    context: Context, layer: Dropout, source: int, width: int, stream: int
) -> EmittedDropout:
    """Write the forward row; `stream` sets the layer's masks apart from other layers'."""
    if context.update is None or layer.rate == 0:
        return EmittedDropout(context, width, None, source)
    assembler = context.assembler
    mask, output = assembler.batch_buffer(width), assembler.batch_buffer(width)
    assembler.emit(
        "dropout_forward",
        n_out=width,
        operands=(source, mask, output),
        constant=assembler.constants(layer.rate),
        stream=stream,
    )
    return EmittedDropout(context, width, mask, output)
