"""The mean of each window of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.network.layers.pool2d import Pool2D

__all__ = ["AveragePool2D"]


@dataclass(frozen=True, repr=False)
class AveragePool2D(Pool2D):
    """The mean of each window of an image, channel by channel.

    Attributes
    ----------
    size : int or (int, int), default 2
        Height and width of the window.
    stride : int or (int, int), optional
        From one place of the window to the next, down and across; by default the size.
    padding : {"valid", "same"}, default "valid"
        Whether windows lie within the image (what is left over at the end is then dropped), or
        there is an output for each `stride` of it. The mean is over what lies within the image.
    name : str, optional
        Letters, digits and underscores. Left out, the network fills in ``average_pool2d_1``,
        ``average_pool2d_2`` and so on.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type, or the padding is not known.

    Examples
    --------
    >>> from dask_horn.network import Signal
    >>> AveragePool2D(3, stride=2).outputs(Signal((7, 9, 4), "conv2d_1")).shape
    (3, 4, 4)
    """

    kind: ClassVar[str] = "average_pool2d"
