"""The rows of a convolution: ``a = f(c x * W + b)``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dask_horn.kernels.program import Operation
from dask_horn.kernels.scalars import NEEDS_INPUT
from dask_horn.network import Conv2D, PlacedLayer, TensorSpec
from dask_horn.program.images import window_sizes
from dask_horn.program.layers import Context, emits


@dataclass(frozen=True)
class EmittedConv2D:
    """A convolution in a program; offsets count from the arena's start."""

    context: Context
    activation: str
    weight: TensorSpec
    bias: TensorSpec | None
    sizes: tuple[int, ...]  # of windows and images
    scale: int  # index of c among the scalars
    input: int
    sum: int  # c x * W + b, where the activation's slope needs it, else the output
    output: int

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Write the slope's pass with the weight's gradient, then the input's where it is wanted.

        In this order, for both take what the slope's pass leaves: so the weight may change with its
        gradient only where the input's, which reads it, is not wanted.
        """
        context, assembler = self.context, self.context.assembler
        assert context.update is not None, "a program that predicts has no backward rows"
        n_in, n_out = self.weight.shape[2:]
        if self.bias is None:  # the pass sums a bias' gradient in any case: into a spare place
            bias_gradient = assembler.spare(n_out)
        else:
            bias_gradient = context.kept_gradient(self.bias.name)
        target = context.update.target(
            Operation(f"conv2d_{self.activation}_weight", n_in, n_out, sizes=self.sizes),
            self.weight,
            read_later=to_input,
        )
        assembler.emit(
            target.operation,
            (self.input, gradient, self.sum, target.offset, bias_gradient),
            constant=self.scale,
            states=target.states,
            rule=target.rule,
        )
        if not to_input:
            return gradient
        below = context.other_scratch(gradient)
        assembler.emit(
            Operation("conv2d_input", n_in, n_out, sizes=self.sizes),
            (gradient, self.weight.offset, below),
        )
        return below


@emits(Conv2D)
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
    sizes = window_sizes(height, width)
    assembler.emit(
        Operation(f"conv2d_{layer.activation}_forward", n_in, n_out, sizes=sizes),
        (source, weight.offset, bias_offset, total, output),
        constant=scale,
    )
    return EmittedConv2D(
        context=context,
        activation=layer.activation,
        weight=weight,
        bias=bias,
        sizes=sizes,
        scale=scale,
        input=source,
        sum=total,
        output=output,
    )
