"""The rows of normalizing layers: ``f(γ x̂ + β)``, x̂ over a batch or over the units."""

from __future__ import annotations

from dataclasses import dataclass

from dask_horn.kernels.program import Operation
from dask_horn.kernels.scalars import NEEDS_INPUT
from dask_horn.network import BatchNorm, LayerNorm, PlacedLayer, Signal
from dask_horn.program.layers import Context, emits


@dataclass(frozen=True)
class EmittedNorm:
    """A normalizing layer in a program; offsets count from the arena's start."""

    context: Context
    kernel: str  # of the backward pass
    activation: str
    name: str
    signal: Signal  # what the sub-model has
    epsilon: int  # index among the scalars
    input: int
    moments: tuple[int, int]  # what the forward pass keeps: mean, and variance or its inverse root
    sum: int  # γ x̂ + β, where the activation's slope needs it, else the output
    output: int

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Write the activation's slope and the layer's own pass, both in place."""
        context, assembler = self.context, self.context.assembler
        if self.activation != "linear":
            assembler.emit(
                _operation(f"{self.activation}_backward", self.signal),
                # It sums a bias' gradient in any case: into a spare place.
                (gradient, self.sum, assembler.spare(self.signal.width)),
                constant=assembler.constants(1.0),
            )
        assembler.emit(
            _operation(self.kernel, self.signal),
            (
                gradient,
                self.input,
                context.table[f"{self.name}/gamma"].offset,
                *self.moments,
                context.kept_gradient(f"{self.name}/gamma"),
                context.kept_gradient(f"{self.name}/beta"),
            ),
            constant=self.epsilon,
        )
        return gradient


@emits(BatchNorm)
def emit_batch_norm(context: Context, placed: PlacedLayer, source: int, stream: int) -> EmittedNorm:
    """Write the forward rows: by the batch's mean and variance, or by the population's."""
    name, assembler = placed.layer.given_name, context.assembler
    width = context.own(placed.inputs).width
    if context.statistics is None:
        moments = (assembler.buffer(width), assembler.buffer(width))
    else:
        moments = (context.statistics[f"{name}/mean"], context.statistics[f"{name}/variance"])
    kernel = "batch_norm_apply" if context.predicts else "batch_norm_forward"
    return _emit(context, placed, source, (kernel, "batch_norm_backward"), moments)


@emits(LayerNorm)
def emit_layer_norm(context: Context, placed: PlacedLayer, source: int, stream: int) -> EmittedNorm:
    """Write the forward rows; see `Emitter`."""
    rows = placed.inputs.rows
    moments = (context.assembler.batch_buffer(1, rows), context.assembler.batch_buffer(1, rows))
    return _emit(context, placed, source, ("layer_norm_forward", "layer_norm_backward"), moments)


def _emit(
    context: Context,
    placed: PlacedLayer,
    source: int,
    kernels: tuple[str, str],
    moments: tuple[int, int],
) -> EmittedNorm:
    """Write the rows of the first kernel, the other is for the way back, and of the activation."""
    layer, assembler = placed.layer, context.assembler
    assert isinstance(layer, BatchNorm | LayerNorm)
    name, own = layer.given_name, context.own(placed.inputs)
    total = assembler.batch_buffer(own.width, own.rows)
    epsilon = assembler.constants(layer.epsilon)
    gamma, beta = context.table[f"{name}/gamma"].offset, context.table[f"{name}/beta"].offset
    assembler.emit(
        _operation(kernels[0], own),
        (source, total, gamma, beta, *moments),
        constant=epsilon,
    )
    return EmittedNorm(
        context=context,
        kernel=kernels[1],
        activation=layer.activation,
        name=name,
        signal=own,
        epsilon=epsilon,
        input=source,
        moments=moments,
        sum=total,
        output=_emit_activation(context, layer.activation, total, own),
    )


def _operation(kernel: str, signal: Signal) -> Operation:
    """Return an operation on a batch of a signal."""
    return Operation(kernel, n_out=signal.width, rows=signal.rows)


def _emit_activation(context: Context, activation: str, total: int, signal: Signal) -> int:
    """Write the row of ``f(total)``, if it does anything; return where the result lies."""
    if activation == "linear":
        return total
    assembler = context.assembler
    kept = activation in NEEDS_INPUT
    output = assembler.batch_buffer(signal.width, signal.rows) if kept else total
    no_bias = assembler.buffer(signal.width)
    assembler.emit(
        _operation(f"{activation}_forward", signal),
        (total, no_bias, output),
        constant=assembler.constants(1.0),
    )
    return output
