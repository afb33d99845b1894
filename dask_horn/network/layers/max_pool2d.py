"""The largest value of each window of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.network.layers.pool2d import Pool2D

__all__ = ["MaxPool2D"]


@dataclass(frozen=True, repr=False)
class MaxPool2D(Pool2D):
    """The largest value of each window of an image, channel by channel.

    Where several values of a window are the largest, the gradient goes to the first of them, row
    by row.

    Attributes
    ----------
    size : int or (int, int), default 2
        Height and width of the window.
    stride : int or (int, int), optional
        From one place of the window to the next, down and across; by default the size.
    padding : {"valid", "same"}, default "valid"
        Whether windows lie within the image (what is left over at the end is then dropped), or
        there is an output for each `stride` of it. What lies outside the image counts for nothing.
    name : str, optional
        Letters, digits and underscores. Left out, the network fills in ``max_pool2d_1``,
        ``max_pool2d_2`` and so on.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type, or the padding is not known.

    Examples
    --------
    >>> from dask_horn.network import Signal
    >>> MaxPool2D(2).outputs(Signal((24, 24, 32), "conv2d_1")).shape
    (12, 12, 32)
    """

    kind: ClassVar[str] = "max_pool2d"
