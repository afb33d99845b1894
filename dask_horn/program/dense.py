"""The rows of a dense layer: ``a = f(c x W + b)``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dask_horn.kernels.scalars import NEEDS_INPUT
from dask_horn.network import Dense, TensorSpec
from dask_horn.program.layers import Context

__all__ = ["EmittedDense", "emit_dense"]


@dataclass(frozen=True)
class EmittedDense:
    """A dense layer in a program; offsets count from the arena's start."""

    context: Context
    activation: str
    weight: TensorSpec
    bias: TensorSpec | None
    scale: int  # index of c among the scalars
    input: int
    sum: int  # c x W + b, where the activation's slope needs it, else the output
    output: int

    @property
    def width(self) -> int:
        """Units of the layer."""
        return self.weight.shape[1]

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Write the slope's pass, the input's gradient where it is wanted, and the weight's.

        In this order: with the weight's gradient the weight itself may change.
        """
        context, assembler = self.context, self.context.assembler
        assert context.update is not None, "a program that predicts has no backward rows"
        n_in, n_out = self.weight.shape
        if self.bias is None:  # the pass sums a bias' gradient in any case: into a spare place
            bias_gradient = assembler.buffer(n_out)
        else:
            bias_gradient = context.update.gradients[self.bias.name]
        assembler.emit(
            f"{self.activation}_backward",
            n_out=n_out,
            operands=(gradient, self.sum, bias_gradient),
            constant=self.scale,
        )
        below = context.other_scratch(gradient) if to_input else gradient
        if to_input:
            assembler.emit(
                "gemm_input",
                n_in=n_in,
                n_out=n_out,
                operands=(gradient, self.weight.offset, below, context.work),
            )
        context.update.emit_weight(self.weight, self.input, gradient, context.work)
        return below


def emit_dense(context: Context, layer: Dense, name: str, source: int) -> EmittedDense:
    """Write the forward rows of `layer`, whose input lies at `source`."""
    assembler = context.assembler
    weight = context.table[f"{name}/W"]
    bias = context.table[f"{name}/b"] if layer.use_bias else None
    n_in, n_out = weight.shape
    total = assembler.batch_buffer(n_out)
    output = assembler.batch_buffer(n_out) if layer.activation in NEEDS_INPUT else total
    scale = assembler.constants(context.scales.get(name, 1.0))
    if bias is None:
        bias_offset = assembler.filled_buffer(np.zeros(n_out, np.float32))
    else:
        bias_offset = bias.offset
    assembler.emit(
        "gemm_forward",
        n_in=n_in,
        n_out=n_out,
        operands=(source, weight.offset, total, context.work),
    )
    assembler.emit(
        f"{layer.activation}_forward",
        n_out=n_out,
        operands=(total, bias_offset, output),
        constant=scale,
    )
    return EmittedDense(context, layer.activation, weight, bias, scale, source, total, output)
