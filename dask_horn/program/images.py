"""The sizes of windows over images, as the kernels read them."""

from __future__ import annotations

from dask_horn.network import Windows


def window_sizes(height: Windows, width: Windows) -> tuple[int, ...]:
    """Return the further sizes of an op row, in the order of `dask_horn.kernels.cpu.images`."""
    pairs = (
        (side.length, side.size, side.stride, side.count, side.before, side.padded)
        for side in (height, width)
    )
    return tuple(size for both in zip(*pairs, strict=True) for size in both)
