"""Windows of samples on the device, and the steps that are taken with them.

There are two feeds for a machine: while one is trained on, the other is filled. The memory of each
stays where it is for as long as it is large enough, so that what is recorded finds it again.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels.cuda import driver
from dask_horn.kernels.device import Steps, Window

_Key = tuple[int, int, tuple[int, ...]]


class ResidentBlocks:
    """Blocks that are on the device already, for as long as their chunks are in host memory.

    A block is known by the memory that it is a view of: decoded chunks are cached, and never
    change. What comes first stays: of samples that are passed through again and again, the least
    recently used would be the next ones wanted.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._blocks: dict[_Key, Any] = {}
        self._n_bytes = 0

    def get(self, block: NDArray[Any]) -> Any:
        """Return a block as it lies on the device, flat; None where it does not."""
        return self._blocks.get(_key(block))

    def takes(self, block: NDArray[Any]) -> bool:
        """Tell whether there is room for a block, whose memory nobody will write to."""
        return not _owner(block).flags.writeable and self._n_bytes + block.nbytes <= self.max_bytes

    def keep(self, block: NDArray[Any], on_device: Any) -> None:
        """Keep a block's copy."""
        key = _key(block)
        self._blocks[key] = on_device
        self._n_bytes += block.nbytes
        weakref.finalize(_owner(block), self._drop, key)

    def _drop(self, key: _Key) -> None:
        self._n_bytes -= self._blocks.pop(key).nbytes


def _owner(block: NDArray[Any]) -> NDArray[Any]:
    """Return the array whose memory a block is a view of."""
    while isinstance(block.base, np.ndarray):
        block = block.base
    return block


def _key(block: NDArray[Any]) -> _Key:
    return id(_owner(block)), block.ctypes.data, block.shape


class Feed:
    """Memory for windows and steps on the device."""

    def __init__(self) -> None:
        #: Arrays by the names that kernels know them by.
        self.arrays: dict[str, Any] = {}
        #: Changes whenever an array has moved.
        self.version = 0
        self.first_rows: list[int] = []
        self._pinned: dict[str, NDArray[Any]] = {}

    def put(self, name: str, values: NDArray[Any], stream: Any) -> None:
        """Copy an array to its place."""
        place = self._place(name, values.size, values.dtype)
        if values.size:
            place[: values.size].copy_to_device(values, stream=stream)

    def put_windows(self, windows: Sequence[Window], resident: ResidentBlocks, stream: Any) -> None:
        """Copy windows to the device, one after the other."""
        rows = [window.n_rows for window in windows]
        self.first_rows = [int(first) for first in np.cumsum([0, *rows])]
        self._put_blocks("samples", [b for w in windows for b in w.samples], resident, stream)
        self._put_blocks("targets", [b for w in windows for b in w.targets], resident, stream)

    def _put_blocks(
        self, name: str, blocks: Sequence[NDArray[Any]], resident: ResidentBlocks, stream: Any
    ) -> None:
        """Copy blocks side by side: from where they lie on the device, else from the host."""
        if not blocks:
            return
        size = sum(block.size for block in blocks)
        place = self._place(name, size, blocks[0].dtype)
        host = self._host(name, size, blocks[0].dtype)
        for start, block in zip(_starts(blocks), blocks, strict=True):
            own = place[start : start + block.size]
            known = resident.get(block)
            if known is not None:
                own.copy_to_device(known, stream=stream)
                continue
            host[start : start + block.size] = block.ravel()
            own.copy_to_device(host[start : start + block.size], stream=stream)
            if resident.takes(block):
                copy = driver.empty(block.size, block.dtype)
                copy.copy_to_device(own, stream=stream)
                resident.keep(block, copy)

    def _place(self, name: str, size: int, dtype: Any) -> Any:
        """Return memory of the device for at least so many elements."""
        place = self.arrays.get(name)
        if place is None or place.size < size or place.dtype != dtype:
            self.arrays[name] = place = driver.empty(max(size, 1), dtype)
            self.version += 1
        return place

    def _host(self, name: str, size: int, dtype: Any) -> NDArray[Any]:
        """Return pinned memory likewise; the device has read what was there before."""
        host = self._pinned.get(name)
        if host is None or host.size < size or host.dtype != dtype:
            self._pinned[name] = host = driver.pinned(max(size, 1), dtype)
        return host


def _starts(blocks: Sequence[NDArray[Any]]) -> Iterator[int]:
    start = 0
    for block in blocks:
        yield start
        start += block.size


def step_arrays(steps: Sequence[Steps], first_rows: Sequence[int]) -> dict[str, NDArray[Any]]:
    """Return what kernels read of all sub-models' steps, by name, one after the other."""
    first_entries = np.cumsum([0, *(own.order.size for own in steps)])
    return {
        "order": np.concatenate([own.order + first_rows[own.window] for own in steps]),
        "first_steps": np.cumsum([0, *(own.rates.size for own in steps)]),
        "starts": np.concatenate(
            [own.starts[:-1] + first for own, first in zip(steps, first_entries, strict=False)]
        ),
        "batches": np.concatenate([np.diff(own.starts) for own in steps]),
        "rates": np.concatenate([own.rates for own in steps]).astype(np.float64),
    }
