"""The largest value of each window of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.network.layers.pool2d import Pool2D


@dataclass(frozen=True, repr=False)
class MaxPool2D(Pool2D):
    """The largest value of each window of an image, channel by channel.

    If several values of a window are the largest, the gradient goes to the first of them, row by
    row.

    Attributes
    ----------
    size : int or (int, int), default 2
        Height and width of the window.
    stride : int or (int, int), optional
        Step of the window, down and across; by default its size.
    padding : {"valid", "same"}, default "valid"
        With "valid" windows lie within the image, and what is left over at the end is ignored.
        With "same" there is an output for each `stride`; windows may extend beyond the image, and
        only the values within it count.
    name : str, optional
        Letters, digits and underscores. By default the network chooses ``max_pool2d_1``,
        ``max_pool2d_2`` and so on.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, or the padding is unknown.

    Examples
    --------
    >>> from dask_horn.network import Signal
    >>> MaxPool2D(2).outputs(Signal((24, 24, 32), "conv2d_1")).shape
    (12, 12, 32)
    """

    kind: ClassVar[str] = "max_pool2d"
