"""What the layers that move a window over an image agree on: their arguments and geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dask_horn.checks import checked_choice, checked_integer
from dask_horn.network.elements.signals import Signal
from dask_horn.rounding import ceil_div

#: Height and width; one number where they are equal.
Extent = int | tuple[int, int]

PADDINGS = ("valid", "same")


@dataclass(frozen=True)
class Windows:
    """The positions of a window along one side of an image.

    Attributes
    ----------
    length : int
        Length of the image's side.
    size, stride : int
        Size and step of the window.
    count : int
        Number of positions.
    before : int
        By how much the first window begins before the image.

    Examples
    --------
    >>> Windows.of(28, 5, 1, "valid").count
    24
    >>> Windows.of(28, 5, 2, "same")
    Windows(length=28, size=5, stride=2, count=14, before=1)
    """

    length: int
    size: int
    stride: int
    count: int
    before: int

    @property
    def padded(self) -> int:
        """Length of the side with its padding."""
        return max((self.count - 1) * self.stride + self.size, self.before + self.length)

    @classmethod
    def of(cls, length: int, size: int, stride: int, padding: str) -> Windows:
        """Place windows within the image ("valid"), or one for each `stride` of it ("same").

        With "same" both ends are padded alike, with an odd element at the end, as in TensorFlow and
        Keras. With "valid" a window larger than the image has no position.
        """
        if padding == "valid":
            return cls(length, size, stride, max(0, (length - size) // stride + 1), 0)
        count = ceil_div(length, stride)
        return cls(length, size, stride, count, max(0, (count - 1) * stride + size - length) // 2)


def windows_over(
    what: str, inputs: Signal, size: Extent, stride: Extent, padding: str
) -> tuple[Windows, Windows]:
    """Return the positions of a window over the height and the width of images.

    Raises
    ------
    ValueError
        If `inputs` are not images, or smaller than the window.
    """
    check_image(what, inputs)
    height, width = (
        Windows.of(*measures, padding)
        for measures in zip(inputs.shape, _pair(size), _pair(stride), strict=False)
    )
    if not height.count or not width.count:
        raise ValueError(
            f"{what} has windows of {height.size} x {width.size}, larger than its input of "
            f"shape {inputs.shape}; use smaller windows, or padding='same'"
        )
    return height, width


def check_image(what: str, inputs: Signal) -> None:
    """Raise ValueError unless the inputs have height, width and channels."""
    if len(inputs.shape) == 3:
        return
    remedy = "(28, 28, 1), and no Flatten before it"
    if len(inputs.shape) == 2:
        remedy = f"{(*inputs.shape, 1)} for images without channels"
    raise ValueError(
        f"{what} takes images of shape (height, width, channels), got the shape "
        f"{inputs.shape}; use an input_shape such as {remedy}"
    )


def checked_extent(argument: str, value: Any) -> Extent:
    """Return height and width, or one integer if they are equal; each at least 1."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, str) or not isinstance(value, Sequence):
        return checked_integer(argument, value, 1)
    if len(value) != 2:
        raise ValueError(f"{argument} must be an integer or (height, width), got {value!r}")
    height, width = (checked_integer(f"{argument}[{i}]", value[i], 1) for i in range(2))
    return height if height == width else (height, width)


def checked_padding(value: Any) -> str:
    """Return the padding's name; errors as `checked_choice`."""
    return checked_choice("padding", value, PADDINGS)


def _pair(extent: Extent) -> tuple[int, int]:
    return (extent, extent) if isinstance(extent, int) else extent
