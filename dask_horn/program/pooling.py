"""The rows of the pools over images; one over the whole image is one with a single window."""

from __future__ import annotations

from dataclasses import dataclass

from dask_horn.kernels.program import Operation
from dask_horn.network import AveragePool2D, GlobalAveragePool2D, MaxPool2D, PlacedLayer, Windows
from dask_horn.program.images import window_sizes
from dask_horn.program.layers import Context, emits


@dataclass(frozen=True)
class EmittedPool:
    """A pool in a program; offsets count from the arena's start."""

    context: Context
    kind: str
    n_units: int
    sizes: tuple[int, ...]  # of windows and images
    chosen: tuple[int, ...]  # where in each window its largest value was, for a pool of these
    output: int

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Write the input's gradient, where it is wanted."""
        if not to_input:
            return gradient
        below = self.context.other_scratch(gradient)
        self.context.assembler.emit(
            Operation(f"{self.kind}_backward", self.n_units, self.n_units, sizes=self.sizes),
            (below, gradient, *self.chosen),
        )
        return below


@emits(MaxPool2D)
def emit_max_pool(context: Context, placed: PlacedLayer, source: int, stream: int) -> EmittedPool:
    """Write the forward row; see `Emitter`. A program that predicts forgets what was chosen."""
    assert isinstance(placed.layer, MaxPool2D)
    assembler, outputs = context.assembler, context.own(placed.outputs)
    if context.trains:
        chosen = assembler.batch_buffer(outputs.width, outputs.rows)
    else:
        chosen = assembler.spare(assembler.batch_size * outputs.size)
    return _emit(context, placed, source, placed.layer.windows(placed.inputs), (chosen,))


@emits(AveragePool2D)
def emit_average_pool(
    context: Context, placed: PlacedLayer, source: int, stream: int
) -> EmittedPool:
    """Write the forward row; see `Emitter`."""
    assert isinstance(placed.layer, AveragePool2D)
    return _emit(context, placed, source, placed.layer.windows(placed.inputs))


@emits(GlobalAveragePool2D)
def emit_global_average_pool(
    context: Context, placed: PlacedLayer, source: int, stream: int
) -> EmittedPool:
    """Write the forward row; see `Emitter`."""
    assert isinstance(placed.layer, GlobalAveragePool2D)
    height, width, _ = placed.inputs.shape
    whole = tuple(Windows.of(length, length, 1, "valid") for length in (height, width))
    return _emit(context, placed, source, (whole[0], whole[1]))


def _emit(
    context: Context,
    placed: PlacedLayer,
    source: int,
    windows: tuple[Windows, Windows],
    chosen: tuple[int, ...] = (),
) -> EmittedPool:
    assembler, outputs = context.assembler, context.own(placed.outputs)
    output = assembler.batch_buffer(outputs.width, outputs.rows)
    kind = "max_pool2d" if chosen else "average_pool2d"
    sizes = window_sizes(*windows)
    assembler.emit(
        Operation(f"{kind}_forward", outputs.width, outputs.width, sizes=sizes),
        (source, output, *chosen),
    )
    return EmittedPool(context, kind, outputs.width, sizes, chosen, output)
