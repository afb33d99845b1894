"""The mean of each window of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.network.layers.pool2d import Pool2D


@dataclass(frozen=True, repr=False)
class AveragePool2D(Pool2D):
    """The mean of each window of an image, channel by channel.

    Attributes
    ----------
    size : int or (int, int), default 2
        Height and width of the window.
    stride : int or (int, int), optional
        Step of the window, down and across; by default its size.
    padding : {"valid", "same"}, default "valid"
        With "valid" windows lie within the image, and what is left over at the end is ignored.
        With "same" there is an output for each `stride`; windows may extend beyond the image, and
        the mean is over the values within it.
    name : str, optional
        Letters, digits and underscores. By default the network chooses ``average_pool2d_1``,
        ``average_pool2d_2`` and so on.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, or the padding is unknown.

    Examples
    --------
    >>> from dask_horn.network import Signal
    >>> AveragePool2D(3, stride=2).outputs(Signal((7, 9, 4), "conv2d_1")).shape
    (3, 4, 4)
    """

    kind: ClassVar[str] = "average_pool2d"
