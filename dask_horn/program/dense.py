"""The rows of a dense layer: ``a = f(c x W + b)``."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dask_horn.kernels.program import Operation
from dask_horn.kernels.scalars import NEEDS_INPUT
from dask_horn.network import Dense, PlacedLayer, TensorSpec
from dask_horn.program.layers import Context


@dataclass(frozen=True)
class EmittedDense:
    """A dense layer in a program; offsets count from the arena's start."""

    context: Context
    activation: str
    weight: TensorSpec
    bias: TensorSpec | None
    rows: int  # of each sample: the steps of a sequence, else one
    scale: int  # index of c among the scalars
    input: int
    sum: int  # c x W + b, where the activation's slope needs it, else the output
    output: int

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Write the slope's pass, the input's gradient where it is wanted, and the weight's.

        In this order: with the weight's gradient the weight itself may change.
        """
        context, assembler = self.context, self.context.assembler
        assert context.update is not None, "a program that predicts has no backward rows"
        n_in, n_out = matrix_shape(self.weight)
        if self.bias is None:  # the pass sums a bias' gradient in any case: into a spare place
            bias_gradient = assembler.spare(n_out)
        else:
            bias_gradient = context.kept_gradient(self.bias.name)
        assembler.emit(
            Operation(f"{self.activation}_backward", n_out=n_out, rows=self.rows),
            (gradient, self.sum, bias_gradient),
            constant=self.scale,
        )
        below = context.other_scratch(gradient) if to_input else gradient
        if to_input:
            assembler.emit(
                Operation("gemm_input", n_in, n_out, self.rows),
                (gradient, self.weight.offset, below),
            )
        target = context.update.target(
            Operation("gemm_weight", n_in, n_out, self.rows), self.weight
        )
        assembler.emit(
            target.operation,
            (self.input, gradient, target.offset),
            states=target.states,
            rule=target.rule,
        )
        return below


def emit_dense(context: Context, placed: PlacedLayer, source: int, stream: int) -> EmittedDense:
    """Write the forward rows of a dense layer; see `Emitter`."""
    layer, assembler = placed.layer, context.assembler
    assert isinstance(layer, Dense)
    name, rows = layer.given_name, placed.inputs.rows
    weight = context.table[f"{name}/W"]
    bias = context.table[f"{name}/b"] if layer.use_bias else None
    n_in, n_out = matrix_shape(weight)
    total = assembler.batch_buffer(n_out, rows)
    kept = layer.activation in NEEDS_INPUT
    output = assembler.batch_buffer(n_out, rows) if kept else total
    scale = assembler.constants(context.scales.get(weight.name, 1.0))
    if bias is None:
        bias_offset = assembler.filled_buffer(np.zeros(n_out, np.float32))
    else:
        bias_offset = bias.offset
    assembler.emit(Operation("gemm_forward", n_in, n_out, rows), (source, weight.offset, total))
    assembler.emit(
        Operation(f"{layer.activation}_forward", n_out=n_out, rows=rows),
        (total, bias_offset, output),
        constant=scale,
    )
    return EmittedDense(
        context=context,
        activation=layer.activation,
        weight=weight,
        bias=bias,
        rows=rows,
        scale=scale,
        input=source,
        sum=total,
        output=output,
    )


def matrix_shape(weight: TensorSpec) -> tuple[int, int]:
    """Return a weight's shape as a matrix; after a `Flatten` it has more dimensions."""
    return math.prod(weight.shape[:-1]), weight.shape[-1]
