"""The rows of a dense layer with DropConnect: ``a = f(c x (M ∘ W) / p + m ∘ b / p)``.

p is the probability of being kept, so the mean over the masks M and m is the plain layer. Masks are
drawn in the forward pass and kept until the backward one, or drawn again there, as the device has
it: a bit for each example and weight, or for each weight alone where the batch shares a mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dask_horn.kernels.program import Operation
from dask_horn.kernels.scalars import NEEDS_INPUT
from dask_horn.network import Dense, PlacedLayer, TensorSpec
from dask_horn.program.dense import EmittedDense, emit_dense, matrix_shape
from dask_horn.program.layers import Context, emits
from dask_horn.program.masks import Masks, draw_masks, keep_of_mask, keeping


@emits(Dense)
def emit_fully_connected(
    context: Context, placed: PlacedLayer, source: int, stream: int
) -> EmittedDense | EmittedDropConnect | EmittedSharedMask:
    """Write the forward rows of a dense layer, with masks where it has them in training."""
    layer = placed.layer
    assert isinstance(layer, Dense)
    if layer.dropconnect == 0 or not context.trains:
        return emit_dense(context, placed, source, stream)
    masked = _MaskedDense.plan(context, placed, source)
    if layer.dropconnect_mask == "batch":
        return _emit_shared_mask(masked, stream)
    return _emit_masks(masked, stream)


@dataclass(frozen=True)
class EmittedDropConnect:
    """A dense layer with a mask for each example."""

    masked: _MaskedDense
    masks: Masks
    one: int  # index among the scalars: the input that biases are weights of, 1 / c, and the masks'
    no_bias: int  # offset of zeros: the biases are among what is summed already

    @property
    def output(self) -> int:
        """Offset of the layer's output."""
        return self.masked.output

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Write the slope's pass, and what the masks keep of both products."""
        masked, context = self.masked, self.masked.context
        n_in, n_out = masked.shape
        masked.emit_slope(gradient, bias_gradient=context.assembler.spare(n_out))
        below = context.other_scratch(gradient) if to_input else gradient
        if to_input:
            context.assembler.emit(
                Operation("dropconnect_input", n_in, n_out, masked.rows),
                (gradient, masked.weight.offset, below, self.masks.offset),
                constant=self.one,
                stream=self.masks.stream,
            )
        own, own_bias = masked.weight_gradient, masked.bias_gradient
        context.assembler.emit(
            Operation("dropconnect_weight", n_in, n_out, masked.rows),
            (masked.input, gradient, own, own_bias, self.masks.offset),
            constant=self.one,
            stream=self.masks.stream,
        )
        return below


def _emit_masks(masked: _MaskedDense, stream: int) -> EmittedDropConnect:
    assembler = masked.context.assembler
    n_in, n_out = masked.shape
    forward = Operation("dropconnect_forward", n_in, n_out, masked.rows)
    masks = masked.emit_draw(stream, forward)
    one = masks.constants(masked.context, 1.0 / masked.scale)
    assembler.emit(
        forward,
        (masked.input, masked.weight.offset, masked.sum, masked.bias_values, masks.offset),
        constant=one,
        stream=stream,
    )
    no_bias = assembler.filled_buffer(np.zeros(n_out, np.float32))
    masked.emit_activation(no_bias)
    return EmittedDropConnect(masked, masks, one, no_bias)


@dataclass(frozen=True)
class EmittedSharedMask:
    """A dense layer with one mask for the batch: the plain products, of what the mask keeps."""

    masked: _MaskedDense
    mask: Masks
    kept: int  # offset of the weights that are kept, and zeros

    @property
    def output(self) -> int:
        """Offset of the layer's output."""
        return self.masked.output

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Write the slope's pass, both products, and what the mask keeps of the gradients."""
        masked, context = self.masked, self.masked.context
        n_in, n_out = masked.shape
        masked.emit_slope(gradient, bias_gradient=masked.bias_gradient)
        below = context.other_scratch(gradient) if to_input else gradient
        if to_input:
            context.assembler.emit(
                Operation("gemm_input", n_in, n_out, masked.rows), (gradient, self.kept, below)
            )
        own = masked.weight_gradient
        context.assembler.emit(
            Operation("gemm_weight", n_in, n_out, masked.rows), (masked.input, gradient, own)
        )
        keep_of_mask(context, own, own, self.mask, masked.shape)
        masked.emit_keep_bias(masked.bias_gradient, masked.bias_gradient, self.mask)
        return below


def _emit_shared_mask(masked: _MaskedDense, stream: int) -> EmittedSharedMask:
    assembler = masked.context.assembler
    n_in, n_out = masked.shape
    mask = masked.emit_draw(stream, keeping(masked.shape))
    kept, kept_bias = assembler.buffer(n_in * n_out), assembler.buffer(n_out)
    keep_of_mask(masked.context, masked.weight.offset, kept, mask, masked.shape)
    masked.emit_keep_bias(masked.bias_values, kept_bias, mask)
    assembler.emit(
        Operation("gemm_forward", n_in, n_out, masked.rows), (masked.input, kept, masked.sum)
    )
    masked.emit_activation(kept_bias)
    return EmittedSharedMask(masked, mask, kept)


@dataclass(frozen=True)
class _MaskedDense:
    """What layers with either kind of mask have in common; offsets count from the arena's start."""

    context: Context
    layer: Dense
    weight: TensorSpec
    rows: int  # of each sample: the steps of a sequence, else one
    scale: float  # c
    scale_index: int  # of c / p among the scalars
    bias_values: int  # the biases, or zeros
    bias_gradient: int  # theirs, or a place that nobody reads
    input: int
    sum: int  # what the activation is of, where its slope needs it, else the output
    output: int

    @classmethod
    def plan(cls, context: Context, placed: PlacedLayer, source: int) -> _MaskedDense:
        """Reserve the memory."""
        layer, assembler = placed.layer, context.assembler
        assert isinstance(layer, Dense)
        rows, weight = placed.inputs.rows, context.table[f"{layer.given_name}/W"]
        n_out = matrix_shape(weight)[1]
        if layer.use_bias:
            bias = context.table[f"{layer.given_name}/b"]
            bias_values, bias_gradient = bias.offset, context.kept_gradient(bias.name)
        else:
            bias_values = assembler.filled_buffer(np.zeros(n_out, np.float32))
            bias_gradient = assembler.spare(n_out)
        scale = context.scales.get(weight.name, 1.0)
        total = assembler.batch_buffer(n_out, rows)
        kept = layer.activation in NEEDS_INPUT
        return cls(
            context=context,
            layer=layer,
            weight=weight,
            rows=rows,
            scale=scale,
            scale_index=assembler.constants(scale / layer.keep_probability),
            bias_values=bias_values,
            bias_gradient=bias_gradient,
            input=source,
            sum=total,
            output=assembler.batch_buffer(n_out, rows) if kept else total,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """The weight's as a matrix."""
        return matrix_shape(self.weight)

    @property
    def weight_gradient(self) -> int:
        """Offset of the weight's gradient."""
        return self.context.kept_gradient(self.weight.name)

    def emit_draw(self, stream: int, user: Operation) -> Masks:
        """Draw the step's masks, the bias' among them, unless their user does."""
        n_in, n_out = self.shape
        shape = n_in + 1, n_out
        return draw_masks(self.context, self.layer, shape, stream, user=user, rows=self.rows)

    def emit_keep_bias(self, source: int, target: int, mask: Masks) -> None:
        """Write what a shared mask keeps of a vector like the bias, over p; its row is the last."""
        n_in, n_out = self.shape
        inverse = 1.0 / self.layer.keep_probability
        keep_of_mask(self.context, source, target, mask, (1, n_out), factor=inverse, first=n_in)

    def emit_activation(self, bias: int) -> None:
        """Write ``f(c / p sum + bias)``."""
        self.context.assembler.emit(
            self._activation("forward"),
            (self.sum, bias, self.output),
            constant=self.scale_index,
        )

    def emit_slope(self, gradient: int, *, bias_gradient: int) -> None:
        """Write the activation's pass backward, which leaves c / p times the gradient."""
        self.context.assembler.emit(
            self._activation("backward"),
            (gradient, self.sum, bias_gradient),
            constant=self.scale_index,
        )

    def _activation(self, direction: str) -> Operation:
        kernel = f"{self.layer.activation}_{direction}"
        return Operation(kernel, n_out=self.shape[1], rows=self.rows)
