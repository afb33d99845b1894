"""Flatten in a program: nothing is done, for an image lies in memory as a row does."""

from __future__ import annotations

from dataclasses import dataclass

from dask_horn.network import Flatten, PlacedLayer
from dask_horn.program.layers import Context, emits


@dataclass(frozen=True)
class EmittedFlatten:
    """A `Flatten` in a program: its output is its input."""

    output: int

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Pass the gradient on."""
        return gradient


@emits(Flatten)
def emit_flatten(context: Context, placed: PlacedLayer, source: int, stream: int) -> EmittedFlatten:
    """Write no row; see `Emitter`."""
    return EmittedFlatten(source)
