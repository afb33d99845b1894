"""The sizes of windows that move over images, as the further sizes of an op row."""

from __future__ import annotations

from typing import Any

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.opcodes import N_IN, N_OUT, SIZES

HEIGHT, WIDTH = SIZES, SIZES + 1  # of the image
WINDOW_HEIGHT, WINDOW_WIDTH = SIZES + 2, SIZES + 3
DOWN, ACROSS = SIZES + 4, SIZES + 5  # strides
OUT_HEIGHT, OUT_WIDTH = SIZES + 6, SIZES + 7  # places of the window
TOP, LEFT = SIZES + 8, SIZES + 9  # by how much the first place begins before the image
PADDED_HEIGHT, PADDED_WIDTH = SIZES + 10, SIZES + 11  # of the image and all places together


@inlined
def image_sizes(row: Any) -> Any:
    """Elements of one image that goes in, and of one that comes out."""
    size_in = row[HEIGHT] * row[WIDTH] * row[N_IN]
    return size_in, row[OUT_HEIGHT] * row[OUT_WIDTH] * row[N_OUT]
