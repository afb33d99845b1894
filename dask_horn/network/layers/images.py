"""What the layers that move a window over an image agree on: their arguments and geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dask_horn.checks import checked_choice, checked_integer
from dask_horn.network.signals import Signal

__all__ = [
    "PADDINGS",
    "Extent",
    "Windows",
    "check_image",
    "checked_extent",
    "checked_padding",
    "windows_over",
]

#: Height and width; one number where they are equal.
Extent = int | tuple[int, int]

PADDINGS = ("valid", "same")


@dataclass(frozen=True)
class Windows:
    """The places of a window along one side of an image.

    Attributes
    ----------
    length : int
        Of the image's side.
    size, stride : int
        Of the window, and from one place to the next.
    count : int
        Places.
    before : int
        By how much the first place begins before the image.

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
        """Length of the side with what sticks out of it."""
        return max((self.count - 1) * self.stride + self.size, self.before + self.length)

    @classmethod
    def of(cls, length: int, size: int, stride: int, padding: str) -> Windows:
        """Place windows within the image ("valid"), or one for each `stride` of it ("same").

        With "same" what sticks out is shared between the sides, the odd one behind, as in
        TensorFlow and Keras. There are no places where a window is larger than the image.
        """
        if padding == "valid":
            return cls(length, size, stride, max(0, (length - size) // stride + 1), 0)
        count = -(-length // stride)
        return cls(length, size, stride, count, max(0, (count - 1) * stride + size - length) // 2)


def windows_over(
    what: str, inputs: Signal, size: Extent, stride: Extent, padding: str
) -> tuple[Windows, Windows]:
    """Return the places of a window over the height and the width of images.

    Raises
    ------
    ValueError
        If `inputs` are no images, or smaller than the window.
    """
    check_image(what, inputs)
    height, width = (
        Windows.of(*measures, padding)
        for measures in zip(inputs.shape, _pair(size), _pair(stride), strict=False)
    )
    if not height.count or not width.count:
        raise ValueError(
            f"{what} has windows of {height.size} x {width.size}, larger than its input of the "
            f"shape {inputs.shape}; use smaller ones, or padding='same'"
        )
    return height, width


def check_image(what: str, inputs: Signal) -> None:
    """Raise ValueError unless what goes in has height, width and channels."""
    if len(inputs.shape) == 3:
        return
    remedy = "(28, 28, 1), and nothing flattened before it"
    if len(inputs.shape) == 2:
        remedy = f"{(*inputs.shape, 1)} for images without channels"
    raise ValueError(
        f"{what} takes images of the shape (height, width, channels), got the shape "
        f"{inputs.shape}; use an input_shape such as {remedy}"
    )


def checked_extent(argument: str, value: Any) -> Extent:
    """Return one integer of at least 1, or two that differ; or say so of `argument`."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, str) or not isinstance(value, Sequence):
        return checked_integer(argument, value, 1)
    if len(value) != 2:
        raise ValueError(f"{argument} must be an integer or (height, width), got {value!r}")
    height, width = (checked_integer(f"{argument}[{i}]", value[i], 1) for i in range(2))
    return height if height == width else (height, width)


def checked_padding(value: Any) -> str:
    """Return the padding's name, or say which are known."""
    return checked_choice("padding", value, PADDINGS)


def _pair(extent: Extent) -> tuple[int, int]:
    return (extent, extent) if isinstance(extent, int) else extent
