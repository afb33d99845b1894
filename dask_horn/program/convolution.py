"""The rows of a convolution: ``a = f(c x * W + b)``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dask_horn.kernels.cpu.convolution import convolution_work_size
from dask_horn.kernels.scalars import NEEDS_INPUT
from dask_horn.network import Conv2D, PlacedLayer, TensorSpec
from dask_horn.program.images import window_sizes
from dask_horn.program.layers import Context

__all__ = ["EmittedConv2D", "emit_conv2d"]


@dataclass(frozen=True)
class EmittedConv2D:
    """A convolution in a program; offsets count from the arena's start."""

    context: Context
    activation: str
    weight: TensorSpec
    bias: TensorSpec | None
    sizes: tuple[int, ...]  # of windows and images
    scale: int  # index of c among the scalars
    work: int
    input: int
    sum: int  # c x * W + b, where the activation's slope needs it, else the output
    output: int

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Write the slope's pass with the weight's gradient, then the input's where it is wanted.

        The weight itself changes at the end of the step.
        """
        context, assembler = self.context, self.context.assembler
        n_in, n_out = self.weight.shape[2:]
        if self.bias is None:  # the pass sums a bias' gradient in any case: into a spare place
            bias_gradient = assembler.buffer(n_out)
        else:
            bias_gradient = context.kept_gradient(self.bias.name)
        weight_gradient = context.kept_gradient(self.weight.name)
        assembler.emit(
            f"conv2d_{self.activation}_weight",
            n_in=n_in,
            n_out=n_out,
            operands=(self.input, gradient, self.sum, weight_gradient, bias_gradient, self.work),
            constant=self.scale,
            sizes=self.sizes,
        )
        if not to_input:
            return gradient
        below = context.other_scratch(gradient)
        assembler.emit(
            "conv2d_input",
            n_in=n_in,
            n_out=n_out,
            operands=(gradient, self.weight.offset, below, self.work),
            sizes=self.sizes,
        )
        return below


def emit_conv2d(context: Context, placed: PlacedLayer, source: int, stream: int) -> EmittedConv2D:
    """Write the forward row of a convolution; see `Emitter`."""
    layer, assembler = placed.layer, context.assembler
    assert isinstance(layer, Conv2D)
    weight = context.table[f"{layer.given_name}/W"]
    bias = context.table[f"{layer.given_name}/b"] if layer.use_bias else None
    n_in, n_out = weight.shape[2:]
    height, width = layer.windows(placed.inputs)
    total = assembler.batch_buffer(n_out, height.count * width.count)
    kept = layer.activation in NEEDS_INPUT
    output = assembler.batch_buffer(n_out, height.count * width.count) if kept else total
    scale = assembler.constants(context.scales.get(weight.name, 1.0))
    if bias is None:
        bias_offset = assembler.filled_buffer(np.zeros(n_out, np.float32))
    else:
        bias_offset = bias.offset
    work = assembler.work_space(
        convolution_work_size(
            height.padded * width.padded, height.size * width.size, width.stride, n_in, n_out
        )
    )
    sizes = window_sizes(height, width)
    assembler.emit(
        f"conv2d_{layer.activation}_forward",
        n_in=n_in,
        n_out=n_out,
        operands=(source, weight.offset, bias_offset, total, output, work),
        constant=scale,
        sizes=sizes,
    )
    return EmittedConv2D(
        context, layer.activation, weight, bias, sizes, scale, work, source, total, output
    )
