"""Layers at their places: names filled in, shapes and unit axes followed from the input.

This is what a network derives everything else from. It walks a plain sequence of layers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dask_horn.network.layers import Layer
from dask_horn.network.parameters import Shape, TensorSpec

__all__ = ["INPUT", "OUTPUT", "Stage"]

INPUT = "input"  # the unit axis of the features
OUTPUT = "output"  # the last layer's name, and so the unit axis of the outputs


@dataclass(frozen=True)
class Stage:
    """One layer at its place in a network.

    Attributes
    ----------
    layer : Layer
        The layer, with its name.
    input_shape, output_shape : tuple of int
        One sample's shape before and after it.
    input_axis, output_axis : str
        The unit axis of the last dimension before and after it.

    Examples
    --------
    >>> from dask_horn.network import Dense, Dropout, Network
    >>> network = Network([Dense(3, activation="relu"), Dropout(0.5), Dense(2)], input_shape=4)
    >>> stage = network.stages[-1]
    >>> stage.layer.name, stage.input_axis, stage.input_shape
    ('output', 'dense_1', (3,))
    """

    layer: Layer
    input_shape: Shape
    output_shape: Shape
    input_axis: str
    output_axis: str

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """The layer's tensors, not yet placed in a vector."""
        return self.layer.tensors(self.input_shape, self.input_axis)


def with_names(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return the layers with every name filled in.

    An automatic name counts all layers of its kind, named or not, so that naming one layer
    renames no other.
    """
    *hidden, last = layers
    if last.name not in (None, OUTPUT):
        raise ValueError(
            f"the last layer is always named {OUTPUT!r}, got the name {last.name!r}; leave it out."
        )
    counts: Counter[str] = Counter()
    named: list[Layer] = []
    for layer in hidden:
        counts[layer.kind] += 1
        named.append(layer if layer.name else layer.renamed(f"{layer.kind}_{counts[layer.kind]}"))
    _check_names([layer.name for layer in named])
    return (*named, last.renamed(OUTPUT))


def stages_of(layers: Sequence[Layer], input_shape: Shape) -> tuple[Stage, ...]:
    """Follow shape and unit axis from the input through the layers, which have names."""
    stages: list[Stage] = []
    shape, axis = input_shape, INPUT
    for layer in layers:
        if axis == INPUT and layer.input_rank == 1:
            shape = (math.prod(shape),)
        stage = Stage(layer, shape, layer.output_shape(shape), axis, layer.output_axis(axis))
        stages.append(stage)
        shape, axis = stage.output_shape, stage.output_axis
    return tuple(stages)


def _check_names(names: Sequence[str | None]) -> None:
    for name, count in Counter(names).items():
        if name in (INPUT, OUTPUT):
            raise ValueError(
                f"{name!r} names the network's own {name} and no hidden layer; choose another name."
            )
        if count > 1:
            raise ValueError(f"layers must have names of their own, got {name!r} {count} times.")
