"""The rows of a dense layer: ``a = f(c x W + b)``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dask_horn.kernels.cpu.gemm import work_size
from dask_horn.kernels.scalars import NEEDS_INPUT
from dask_horn.network import Dense, PlacedLayer, TensorSpec
from dask_horn.program.layers import Context

__all__ = ["EmittedDense", "emit_dense", "fused_weights"]


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
            bias_gradient = assembler.buffer(n_out)
        else:
            bias_gradient = context.kept_gradient(self.bias.name)
        assembler.emit(
            f"{self.activation}_backward",
            n_out=n_out,
            rows=self.rows,
            operands=(gradient, self.sum, bias_gradient),
            constant=self.scale,
        )
        work = work_of(context, self.weight, self.rows, to_input=to_input)
        below = context.other_scratch(gradient) if to_input else gradient
        if to_input:
            assembler.emit(
                "gemm_input",
                n_in=n_in,
                n_out=n_out,
                rows=self.rows,
                operands=(gradient, self.weight.offset, below, work),
            )
        context.update.emit_weight(
            self.weight, (n_in, n_out), self.rows, (self.input, gradient, work)
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
    work = work_of(context, weight, rows, to_input=False)
    assembler.emit(
        "gemm_forward",
        n_in=n_in,
        n_out=n_out,
        rows=rows,
        operands=(source, weight.offset, total, work),
    )
    assembler.emit(
        f"{layer.activation}_forward",
        n_out=n_out,
        rows=rows,
        operands=(total, bias_offset, output),
        constant=scale,
    )
    return EmittedDense(context, layer.activation, weight, bias, rows, scale, source, total, output)


def fused_weights(placed_layers: Iterable[PlacedLayer]) -> set[str]:
    """Return the weights that are updated as their gradients are computed."""
    return {
        f"{placed.layer.name}/W"
        for placed in placed_layers
        if isinstance(placed.layer, Dense) and placed.layer.dropconnect == 0
    }


def matrix_shape(weight: TensorSpec) -> tuple[int, int]:
    """Return a weight's shape as a matrix; after a `Flatten` it has more dimensions."""
    return math.prod(weight.shape[:-1]), weight.shape[-1]


def work_of(context: Context, weight: TensorSpec, rows: int, *, to_input: bool) -> int:
    """Ask for the work space of the products with a weight."""
    assembler = context.assembler
    n_rows = assembler.batch_size * rows
    shape = matrix_shape(weight)
    size = work_size(n_rows, *shape, trains=context.trains, to_input=to_input)
    return assembler.work_space(size)
