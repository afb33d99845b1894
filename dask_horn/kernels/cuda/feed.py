"""Windows of samples on the device, and the steps that are taken with them.

A machine has two feeds: while one is trained on, the other is filled. The memory of each stays
where it is for as long as it is large enough, so that what is recorded finds it again.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels.cuda import driver
from dask_horn.kernels.device import BlockName, Steps, Window

_SPARE = 1.25  # memory that is asked for, over what is needed: the next window may be longer


class ResidentBlocks:
    """Blocks that stay on the device while a run goes on: the newest run's, while there is room.

    What comes first stays: of samples that are passed through again and again, the least recently
    used would be the next ones wanted.

    Parameters
    ----------
    max_bytes : int
        Bytes of all blocks, at most.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._run: str | None = None
        self._chosen: set[Hashable] = set()  # those that stay
        self._arrays: dict[tuple[str, Hashable], Any] = {}
        self._n_bytes = 0

    def choose(self, block: BlockName, n_bytes: int) -> None:
        """Let a block stay, of which so many bytes come now, if there is room for all of it."""
        if block.run != self._run:
            self.clear()
            self._run = block.run
        if block not in self._chosen and self._n_bytes + n_bytes <= self.max_bytes:
            self._chosen.add(block)
            self._n_bytes += n_bytes

    def holds(self, block: BlockName) -> bool:
        """Tell whether a block's samples and targets are there."""
        return all((kind, block) in self._arrays for kind in ("samples", "targets"))

    def get(self, kind: str, block: Hashable) -> Any:
        """Return a block's samples or targets, flat on the device; None where they are not."""
        return self._arrays.get((kind, block))

    def keep(self, kind: str, block: Hashable, array: Any, stream: Any) -> None:
        """Copy samples or targets that are on the device, if their block stays."""
        if block in self._chosen:
            copy = driver.empty(array.size, array.dtype)
            copy.copy_to_device(array, stream=stream)
            self._arrays[kind, block] = copy

    def forget(self, run: str) -> None:
        """Give up what is kept for a run."""
        if run == self._run:
            self.clear()

    def clear(self) -> None:
        """Give up all."""
        self._chosen, self._arrays, self._n_bytes, self._run = set(), {}, 0, None


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
        samples: dict[Hashable, NDArray[Any]] = {}
        targets: dict[Hashable, NDArray[Any]] = {}
        for window in windows:
            names = _names(window)
            samples.update(zip(names, window.samples, strict=True))
            targets.update(zip(names, window.targets, strict=False))  # of which there may be none
        for name, block in samples.items():
            if isinstance(name, BlockName) and name in targets:
                resident.choose(name, block.nbytes + targets[name].nbytes)
        ends = np.cumsum([len(block) for block in samples.values()]).tolist()
        firsts = dict(zip(samples, [0, *ends], strict=False))
        self._rows = [
            _rows_at([(firsts[name], len(samples[name])) for name in names])
            for names in map(_names, windows)
        ]
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
        self,
        kind: str,
        blocks: Mapping[Hashable, NDArray[Any]],
        resident: ResidentBlocks,
        stream: Any,
    ) -> None:
        """Copy blocks side by side: from where they lie on the device, else from the host."""
        if not blocks:
            return
        dtype = next(iter(blocks.values())).dtype
        place = self.place(kind, sum(block.size for block in blocks.values()), dtype)
        held = {name: resident.get(kind, name) for name in blocks}
        n_read = sum(block.size for name, block in blocks.items() if held[name] is None)
        start, host = 0, self._host(kind, n_read, dtype)
        for name, block in blocks.items():
            own, start = place[start : start + block.size], start + block.size
            if held[name] is not None:
                own.copy_to_device(held[name], stream=stream)
                continue
            assert block.strides != (0, 0), "what a machine holds stays there until the run ends"
            read, host = host[: block.size], host[block.size :]
            read[:] = block.ravel()
            own.copy_to_device(read, stream=stream)
            resident.keep(kind, name, own, stream)

    def _host(self, name: str, size: int, dtype: Any) -> NDArray[Any]:
        """Return pinned memory of this size; the device has read what was there before."""
        host = self._pinned.get(name)
        if host is None or host.size < size or host.dtype != dtype:
            if size == 0:
                return np.empty(0, dtype)
            self._pinned[name] = host = driver.pinned(int(_SPARE * size), dtype)
        return host[:size]


def _names(window: Window) -> Sequence[Hashable]:
    """Return a name for each block: its own, or one that only these very arrays have."""
    if window.names:
        return window.names
    kinds = [window.samples, window.targets] if window.targets else [window.samples]
    return [tuple(map(id, arrays)) for arrays in zip(*kinds, strict=True)]


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
