"""The mean of a whole image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.network.elements.signals import Signal
from dask_horn.network.layers.base import Layer
from dask_horn.network.layers.images import check_image


@dataclass(frozen=True, repr=False)
class GlobalAveragePool2D(Layer):
    """The mean of a whole image, channel by channel: one row with one value per channel.

    Attributes
    ----------
    name : str, optional
        Letters, digits and underscores. By default the network chooses
        ``global_average_pool2d_1`` and so on.

    Examples
    --------
    >>> GlobalAveragePool2D().outputs(Signal((7, 7, 64), "conv2d_2")).shape
    (64,)
    """

    kind: ClassVar[str] = "global_average_pool2d"

    def outputs(self, inputs: Signal) -> Signal:
        """Return one row of the inputs' channels; see `Layer.outputs`."""
        check_image("GlobalAveragePool2D", inputs)
        return Signal((inputs.units,), inputs.axis)
