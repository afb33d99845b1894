"""From an image to a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.network.elements.signals import Signal
from dask_horn.network.layers.base import Layer


@dataclass(frozen=True, repr=False)
class Flatten(Layer):
    """Flattens an image or a sequence to one row, position by position, for a `Dense`.

    The channels remain units of their axis: a sub-model with some of the filters has their values
    at every position.

    Attributes
    ----------
    name : str, optional
        Letters, digits and underscores. By default the network chooses ``flatten_1``,
        ``flatten_2`` and so on.

    Examples
    --------
    >>> Flatten().outputs(Signal((4, 4, 64), "conv2d_2"))
    Signal(shape=(1024,), axis='conv2d_2', grid=(4, 4), appended=0)
    """

    kind: ClassVar[str] = "flatten"

    def outputs(self, inputs: Signal) -> Signal:
        """Return one row of all positions; see `Layer.outputs`."""
        if len(inputs.shape) == 1:
            return inputs
        return Signal((inputs.size,), inputs.axis, grid=inputs.shape[:-1])
