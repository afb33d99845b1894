"""What the pools that move a window over an image have in common."""

from __future__ import annotations

from dataclasses import dataclass

from dask_horn.network.elements.signals import Signal
from dask_horn.network.layers.base import Layer
from dask_horn.network.layers.images import (
    Extent,
    Windows,
    checked_extent,
    checked_padding,
    windows_over,
)


@dataclass(frozen=True, repr=False)
class Pool2D(Layer):
    """Base of the pooling layers: one value per position of the window and channel."""

    size: Extent = 2
    stride: Extent | None = None
    padding: str = "valid"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "size", checked_extent("size", self.size))
        if self.stride is not None:
            object.__setattr__(self, "stride", checked_extent("stride", self.stride))
        object.__setattr__(self, "padding", checked_padding(self.padding))

    def windows(self, inputs: Signal) -> tuple[Windows, Windows]:
        """Return the positions of the window, down and across.

        Raises
        ------
        ValueError
            If `inputs` are not images, or smaller than the window.
        """
        stride = self.size if self.stride is None else self.stride
        return windows_over(type(self).__name__, inputs, self.size, stride, self.padding)

    def outputs(self, inputs: Signal) -> Signal:
        """Return an image with one value per position and channel."""
        height, width = self.windows(inputs)
        return Signal((height.count, width.count, inputs.units), inputs.axis)
