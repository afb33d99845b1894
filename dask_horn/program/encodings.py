"""The rows of encodings: they write, one after the other, into the same rows of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dask_horn.kernels.program import Operation
from dask_horn.network import (
    Encoding,
    MissingIndicator,
    Network,
    Periodic,
    PiecewiseLinear,
    PlacedLayer,
)
from dask_horn.program.layers import Context, emits


@dataclass(frozen=True)
class EmittedEncoding:
    """An encoding in a program: its output is its input, with columns more written beside.

    So it is with the gradients: that of the layer's own input is among that of all columns.
    """

    output: int

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Pass the gradient on."""
        return gradient


@dataclass(frozen=True)
class EmittedPeriodic(EmittedEncoding):
    """A periodic encoding whose frequencies are trained; offsets count from the arena's start."""

    context: Context
    operation: Operation
    columns: int
    frequencies: str

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Write the frequencies' gradient, and pass that of the columns on."""
        found = self.context.kept_gradient(self.frequencies)
        self.context.assembler.emit(self.operation, (self.output, self.columns, gradient, found))
        return gradient


def encoded_width(placed_layers: Sequence[PlacedLayer]) -> int:
    """Return how many columns a sample has behind the last encoding; 0 without any."""
    encodings = [placed for placed in placed_layers if isinstance(placed.layer, Encoding)]
    return encodings[-1].outputs.width if encodings else 0


def emit_widening(network: Network, context: Context, samples: int) -> int:
    """Write the row that makes room for columns, where any are appended; return where they lie."""
    if context.encoded_width <= network.n_inputs:
        return samples
    wide = context.assembler.batch_buffer(context.encoded_width)
    operation = Operation("widen", network.n_inputs, context.encoded_width)
    context.assembler.emit(operation, (samples, wide))
    return wide


@emits(MissingIndicator)
def emit_missing_indicator(
    context: Context, placed: PlacedLayer, source: int, stream: int
) -> EmittedEncoding:
    """Write the forward row; see `Emitter`."""
    assert isinstance(placed.layer, MissingIndicator)
    n_inputs = placed.inputs.plain
    columns = placed.layer.columns_of(n_inputs)
    places = np.full(n_inputs, -1, np.float32)
    places[list(columns)] = np.arange(len(columns))
    operands = (source, context.assembler.filled_buffer(places))
    context.assembler.emit(_operation("missing_indicator", context, placed), operands)
    return EmittedEncoding(source)


@emits(PiecewiseLinear)
def emit_piecewise_linear(
    context: Context, placed: PlacedLayer, source: int, stream: int
) -> EmittedEncoding:
    """Write the forward row, if there are any bins; see `Emitter`."""
    layer, assembler = placed.layer, context.assembler
    assert isinstance(layer, PiecewiseLinear)
    bins = np.array(layer.bins_of(placed.inputs.plain))
    if bins.any():
        # A column has an edge more than bins.
        lower = np.arange(bins.sum()) + np.repeat(np.cumsum(bins > 0) - 1, bins)
        operands = (
            source,
            assembler.filled_buffer(_columns(bins)),
            assembler.filled_buffer(lower.astype(np.float32)),
            context.table[f"{layer.given_name}/edges"].offset,
        )
        assembler.emit(_operation("piecewise_linear", context, placed, bins.sum()), operands)
    return EmittedEncoding(source)


@emits(Periodic)
def emit_periodic(
    context: Context, placed: PlacedLayer, source: int, stream: int
) -> EmittedEncoding:
    """Write the forward row, if there are any frequencies; see `Emitter`."""
    layer, assembler = placed.layer, context.assembler
    assert isinstance(layer, Periodic)
    numbers = np.array(layer.numbers_of(placed.inputs.plain))
    if not numbers.any():
        return EmittedEncoding(source)
    n, frequencies = numbers.sum(), context.table[f"{layer.given_name}/frequencies"]
    columns = assembler.filled_buffer(_columns(numbers))
    operation = _operation("periodic_forward", context, placed, n)
    assembler.emit(operation, (source, columns, frequencies.offset))
    if not frequencies.trained:
        return EmittedEncoding(source)
    backward = _operation("periodic_backward", context, placed, n)
    return EmittedPeriodic(source, context, backward, columns, frequencies.name)


def _operation(kernel: str, context: Context, placed: PlacedLayer, n: int = 0) -> Operation:
    """Return an operation on rows whose own columns begin behind those that the layer gets."""
    inputs = placed.inputs
    return Operation(kernel, inputs.plain, context.encoded_width, sizes=(inputs.width, int(n)))


def _columns(numbers: np.ndarray) -> np.ndarray:
    """Return the input column of each of these numbers of columns that are appended."""
    return np.repeat(np.arange(numbers.size), numbers).astype(np.float32)
