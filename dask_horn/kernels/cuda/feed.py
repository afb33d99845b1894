"""Windows of samples on the device, and the steps that are taken with them.

A machine has two feeds: while one is trained on, the other is filled. The memory of each stays
where it is for as long as it is large enough, so that what is recorded finds it again.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels.cuda import driver
from dask_horn.kernels.device import Steps, Window

_SPARE = 1.25  # memory that is asked for, over what is needed: the next window may be longer

_Key = tuple[int, int, tuple[int, ...]]


class ResidentBlocks:
    """Blocks that are on the device already, for as long as their chunks are in host memory.

    A block is known by the memory that it is a view of: decoded chunks are cached, and never
    change. It is kept when it comes a second time, for it may come no more; and what comes first
    stays: of samples that are passed through again and again, the least recently used would be the
    next ones wanted.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._blocks: dict[_Key, Any] = {}  # None where a block has come once
        self._n_bytes = 0
        # Chunks die in any thread; memory of the device is given back in one that uses it.
        self._gone: deque[_Key] = deque()

    def get(self, block: NDArray[Any]) -> Any:
        """Return a block as it lies on the device, flat; None where it does not."""
        self._forget_gone()
        return self._blocks.get(_key(block))

    def takes(self, block: NDArray[Any]) -> bool:
        """Note that a block has come, and tell whether it is to be kept."""
        self._forget_gone()
        owner, key = _owner(block), _key(block)
        if owner.flags.writeable:  # somebody may write to it
            return False
        if key not in self._blocks:
            self._blocks[key] = None
            weakref.finalize(owner, self._gone.append, key).atexit = False
            return False
        return self._n_bytes + block.nbytes <= self.max_bytes

    def keep(self, block: NDArray[Any], on_device: Any) -> None:
        """Keep the copy of a block that has come before."""
        self._blocks[_key(block)] = on_device
        self._n_bytes += block.nbytes

    def _forget_gone(self) -> None:
        while self._gone:
            on_device = self._blocks.pop(self._gone.popleft(), None)
            if on_device is not None:
                self._n_bytes -= on_device.nbytes


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
        self._rows: list[int | NDArray[np.int32]] = []  # where rows of each window lie; see below
        self._pinned: dict[str, NDArray[Any]] = {}

    def put_windows(self, windows: Sequence[Window], resident: ResidentBlocks, stream: Any) -> None:
        """Copy windows to the device, one after the other; a block that several have, once."""
        firsts: dict[tuple[_Key, ...], int] = {}
        samples: list[NDArray[Any]] = []
        targets: list[NDArray[Any]] = []
        n_rows = 0
        self._rows = []
        for window in windows:
            places = []
            for own in _blocks_of(window):
                key = tuple(_key(block) for block in own)
                if key not in firsts:
                    firsts[key] = n_rows
                    n_rows += len(own[0])
                    samples.append(own[0])
                    targets += own[1:]
                places.append((firsts[key], len(own[0])))
            self._rows.append(_rows_at(places))
        self._put_blocks("samples", samples, resident, stream)
        self._put_blocks("targets", targets, resident, stream)

    def put_steps(self, steps: Sequence[Steps], stream: Any) -> NDArray[np.int64]:
        """Copy the sub-models' steps to the device; return where each one's begin, and the end."""
        first_entries = np.cumsum([0, *(own.order.size for own in steps)])
        first_steps = np.cumsum([0, *(own.rates.size for own in steps)])
        order = self._host("order", int(first_entries[-1]), np.int32)
        for own, start in zip(steps, first_entries, strict=False):
            place = order[start : start + own.order.size]
            rows = self._rows[own.window]
            if isinstance(rows, int):
                np.add(own.order, rows, out=place, casting="unsafe")
            else:
                np.take(rows, own.order, out=place, mode="clip")  # which checks nothing again
        self._send("order", order, stream)
        starts = [own.starts[:-1] + first for own, first in zip(steps, first_entries, strict=False)]
        self._put("starts", np.concatenate(starts), stream)
        self._put("batches", np.concatenate([np.diff(own.starts) for own in steps]), stream)
        self._put("rates", np.concatenate([own.rates for own in steps]), stream)
        self._put("first_steps", first_steps, stream)
        self.place("losses", int(first_steps[-1]), np.float64)
        return first_steps

    def place(self, name: str, size: int, dtype: Any) -> Any:
        """Return memory of the device for at least so many elements."""
        place = self.arrays.get(name)
        if place is None or place.size < size or place.dtype != dtype:
            self.arrays[name] = place = driver.empty(max(int(_SPARE * size), 1), dtype)
            self.version += 1
        return place

    def _put(self, name: str, values: NDArray[Any], stream: Any) -> None:
        host = self._host(name, values.size, values.dtype)
        host[:] = values
        self._send(name, host, stream)

    def _send(self, name: str, host: NDArray[Any], stream: Any) -> None:
        """Copy pinned memory to its place: it must not change before that is done."""
        place = self.place(name, host.size, host.dtype)
        if host.size:
            place[: host.size].copy_to_device(host, stream=stream)

    def _put_blocks(
        self, name: str, blocks: Sequence[NDArray[Any]], resident: ResidentBlocks, stream: Any
    ) -> None:
        """Copy blocks side by side: from where they lie on the device, else from the host."""
        if not blocks:
            return
        dtype = blocks[0].dtype
        place = self.place(name, sum(block.size for block in blocks), dtype)
        known = [resident.get(block) for block in blocks]
        sizes = [block.size for block, own in zip(blocks, known, strict=True) if own is None]
        host, filled = self._host(name, sum(sizes), dtype), 0
        for start, block, on_device in zip(_starts(blocks), blocks, known, strict=True):
            own = place[start : start + block.size]
            if on_device is not None:
                own.copy_to_device(on_device, stream=stream)
                continue
            copy = host[filled : filled + block.size]
            copy[:] = block.ravel()
            filled += block.size
            own.copy_to_device(copy, stream=stream)
            if resident.takes(block):
                kept = driver.empty(block.size, dtype)
                kept.copy_to_device(own, stream=stream)
                resident.keep(block, kept)

    def _host(self, name: str, size: int, dtype: Any) -> NDArray[Any]:
        """Return pinned memory of this size; the device has read what was there before."""
        host = self._pinned.get(name)
        if host is None or host.size < size or host.dtype != dtype:
            if size == 0:
                return np.empty(0, dtype)
            self._pinned[name] = host = driver.pinned(int(_SPARE * size), dtype)
        return host[:size]


def _blocks_of(window: Window) -> Iterator[tuple[NDArray[Any], ...]]:
    """Yield the blocks that have any rows, samples and the targets that a window has of them."""
    kinds = [window.samples, window.targets] if window.targets else [window.samples]
    return (blocks for blocks in zip(*kinds, strict=True) if len(blocks[0]))


def _rows_at(places: Sequence[tuple[int, int]]) -> int | NDArray[np.int32]:
    """Return where the rows of blocks lie that begin at these rows, and have so many.

    The first row where they follow one another, else every row's place.
    """
    end = first = places[0][0] if places else 0
    for start, length in places:
        if start != end:
            return np.concatenate([np.arange(a, a + n, dtype=np.int32) for a, n in places])
        end += length
    return first


def _starts(blocks: Sequence[NDArray[Any]]) -> Iterator[int]:
    start = 0
    for block in blocks:
        yield start
        start += block.size
