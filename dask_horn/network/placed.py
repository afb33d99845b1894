"""Layers in their places: with names, and with shapes and unit axes followed from the input.

A network derives everything else from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dask_horn.network.elements.parameters import Shape, TensorSpec
from dask_horn.network.elements.signals import Signal
from dask_horn.network.layers import Layer

INPUT = "input"  # the unit axis of the features
OUTPUT = "output"  # the last layer's name, and so the unit axis of the outputs


@dataclass(frozen=True)
class PlacedLayer:
    """One layer in its place in a network.

    Attributes
    ----------
    layer : Layer
        The layer, with its name.
    inputs, outputs : Signal
        The layer's input and output.

    Examples
    --------
    >>> from dask_horn.network import Dense, Dropout, Network
    >>> network = Network([Dense(3, activation="relu"), Dropout(0.5), Dense(2)], input_shape=4)
    >>> placed = network.placed[-1]
    >>> placed.layer.name, placed.inputs.axis, placed.inputs.shape
    ('output', 'dense_1', (3,))
    """

    layer: Layer
    inputs: Signal
    outputs: Signal

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """The layer's tensors, without offsets."""
        return self.layer.tensors(self.inputs)

    @property
    def trains(self) -> bool:
        """Whether any of them is trained."""
        return any(tensor.trained for tensor in self.tensors)


def with_names(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return the layers with every name filled in.

    An automatic name counts all layers of its kind, named or not, so that naming one layer does
    not rename others.
    """
    *hidden, last = layers
    if last.name not in (None, OUTPUT):
        raise ValueError(
            f"the last layer is always named {OUTPUT!r}, got {last.name!r}; leave its name out"
        )
    counts: Counter[str] = Counter()
    named: list[Layer] = []
    for layer in hidden:
        counts[layer.kind] += 1
        named.append(layer if layer.name else layer.renamed(f"{layer.kind}_{counts[layer.kind]}"))
    _check_names([layer.name for layer in named])
    return (*named, last.renamed(OUTPUT))


def place(layers: Sequence[Layer], input_shape: Shape) -> tuple[PlacedLayer, ...]:
    """Follow the signal from the input through the layers, which have names."""
    placed: list[PlacedLayer] = []
    signal = Signal(input_shape, INPUT)
    for layer in layers:
        if signal.axis == INPUT and layer.flattens_input:
            signal = Signal((signal.size,), INPUT)
        placed.append(PlacedLayer(layer, signal, layer.outputs(signal)))
        signal = placed[-1].outputs
    return tuple(placed)


def _check_names(names: Sequence[str | None]) -> None:
    for name, count in Counter(names).items():
        if name in (INPUT, OUTPUT):
            raise ValueError(
                f"a hidden layer cannot be named {name!r}, which is the network's {name}"
            )
        if count > 1:
            raise ValueError(f"layers must have different names, got {name!r} {count} times")
