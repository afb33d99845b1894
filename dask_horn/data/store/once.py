"""Writing what Dask computes, each row of it once: samples and targets in one graph.

Rows whose number is not known before, and labels whose classes are not, are held as parts until
they are: in files that all workers see, or in memory where the work is done in this process.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import zarr
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask.utils import key_split
from numpy.typing import NDArray

from dask_horn.data.store.declared import FrameRows, other_order
from dask_horn.data.store.lazy import blocks_together, has_known_chunks
from dask_horn.data.store.locations import ArrayLocation, open_group
from dask_horn.data.store.reading import open_rows, read_rows
from dask_horn.data.store.tasks import call, compute, computes_here
from dask_horn.data.store.writing import Convert, Writing, aligned_rows, create_rows, write_block
from dask_horn.data.values.arrays import check_lengths
from dask_horn.data.values.targets import class_codes, distinct_classes
from dask_horn.data.values.unnumbered import Unnumbered
from dask_horn.errors import HornError

_PARTS = "parts"  # group of rows that wait to be written

# Shuffles and joins whose rows come in the order in which they arrive; by the names of their tasks.
_UNORDERED = {"shuffle-transfer", "shuffle-partition", "zpartd", "hash-join-transfer"}


@dataclass(frozen=True, eq=False)
class ToWrite:
    """Rows of a Dask array that are to be written.

    Attributes
    ----------
    array : dask.array.Array
        Their number may be unknown.
    create : callable
        From their number to the location of a new array for them.
    convert : callable
        From a block, and the number of its first row, to what is written of it; in a ValueError it
        names rows by their numbers.
    encode : bool
        Whether to write codes of their distinct labels in place of labels.
    """

    array: Any
    create: Callable[[int], ArrayLocation]
    convert: Convert
    encode: bool = False


@dataclass(frozen=True, eq=False)
class Written:
    """Rows that are written.

    Attributes
    ----------
    location : ArrayLocation
    starts : tuple of int
        The first row of each block that was computed, and the number of all rows.
    classes : ndarray or None
        The label of each code, where codes are written.
    """

    location: ArrayLocation
    starts: tuple[int, ...]
    classes: NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class _Part:
    """Rows of a block: in memory, or where they lie; of labels their codes, and each code's."""

    rows: NDArray[Any] | ArrayLocation
    length: int
    classes: NDArray[Any] | None
    fault: Unnumbered | None = None

    def read(self, start: int, stop: int) -> NDArray[Any]:
        if isinstance(self.rows, ArrayLocation):
            return read_rows(open_rows(self.rows), self.rows, start, stop)
        return self.rows[start:stop]


def write_together(
    rows: Mapping[str, ToWrite],
    frames: Mapping[str, list[Any]],
    group: zarr.Group,
    folder: ArrayLocation,
    writing: Writing,
) -> dict[str, Written]:
    """Compute rows once and write them.

    Parameters
    ----------
    rows : mapping of str to ToWrite
        By the names of the arguments: ``"X"``, ``"y"`` or both.
    frames : mapping of str to list of Delayed
        As `LazyRows` has them: two frames whose labels differ in order are refused.
    group : zarr.Group
        Where arrays are created.
    folder : ArrayLocation
        Where the group lies.
    writing : callable
        Makes the context in which to write; it travels to the workers.

    Raises
    ------
    ValueError
        If a block is not what was declared, the numbers of rows differ, or rows of the one come in
        another order than those of the other.
    """
    labels = [[call(_labels, part, key=_key("labels", name, i)) for i, part in enumerate(parts)]
              for name, parts in frames.items()] if len(frames) > 1 else []  # fmt: skip
    works = {name: _Work.of(name, one, folder) for name, one in rows.items()}
    arrays = [work.array for work in works.values()]
    if len(rows) == 2 and len(frames) < 2:
        arrays.append(rows["y"].array)
    found = blocks_together(arrays)
    blocks = dict(zip(works, found, strict=False))
    _refuse_unordered(blocks)
    if any(work.place is not None for work in works.values()):
        group.create_group(_PARTS)
    tasks = [work.tasks(blocks[name].ravel().tolist(), writing) for name, work in works.items()]
    twice = _some_twice(blocks["X"], found[2]) if len(found) > 2 else []
    results, labels, alike = compute(tasks, labels, twice)
    if not all(alike):
        raise ValueError(
            "y has other rows, or rows in another order, each time that it is computed, and does "
            "not get them from where X does; pass columns of one Dask frame, not their arrays, or "
            "persist what both come from before"
        )
    _check_labels(list(frames), labels)
    for work, done in zip(works.values(), results, strict=True):
        work.check(done)
    lengths = [work.n_rows(done) for work, done in zip(works.values(), results, strict=True)]
    if len(lengths) == 2:
        check_lengths(*lengths)
    written = {
        name: work.finish(done, writing)
        for (name, work), done in zip(works.items(), results, strict=True)
    }
    if _PARTS in group:
        del group[_PARTS]
    return written


@dataclass(frozen=True, eq=False)
class _Work:
    """How one array is written: at once, or as parts."""

    name: str
    rows: ToWrite
    array: Any  # in blocks of whole rows, each of its own Zarr chunks where it is written at once
    location: ArrayLocation | None  # where it is written at once
    place: ArrayLocation | None  # where parts are held; None in memory

    @classmethod
    def of(cls, name: str, rows: ToWrite, folder: ArrayLocation) -> _Work:
        array = rows.array
        travels = folder.in_process and not computes_here()
        if has_known_chunks(array) and not rows.encode and not travels:
            location = rows.create(int(array.shape[0]))
            return cls(name, rows, aligned_rows(array, location.open().chunks[0]), location, None)
        array = array.rechunk(dict.fromkeys(range(1, array.ndim), -1)) if array.ndim > 1 else array
        return cls(name, rows, array, None, None if folder.in_process else folder)

    def tasks(self, blocks: list[Any], writing: Writing) -> list[Any]:
        if self.location is None:
            return [
                call(_part, self.rows.convert, self.rows.encode, block, self._place(i), writing,
                     key=_key("part", self.name, i))
                for i, block in enumerate(blocks)
            ]  # fmt: skip
        starts = _starts(self.array.chunks[0])
        name = f"spool-{uuid.uuid4().hex[:12]}"
        return [
            call(write_block, self.location, start, self.rows.convert, writing, block,
                 key=(name, i))
            for i, (start, stop, block) in enumerate(zip(starts, starts[1:], blocks, strict=False))
            if stop > start
        ]  # fmt: skip

    def _place(self, number: int) -> ArrayLocation | None:
        if self.place is None:
            return None
        path = f"{self.place.path}/{_PARTS}/{self.name}-{number}".lstrip("/")
        return ArrayLocation(self.place.store, path)

    def check(self, done: Sequence[Any]) -> None:
        """Raise what is wrong with the first block that is not right."""
        start = 0
        for one in done:
            if isinstance(one, _Part):
                if one.fault is not None:
                    one.fault.tell(self.rows.convert, start)
                start += one.length
            elif one is not None:
                raise ValueError(one)

    def n_rows(self, done: Sequence[Any]) -> int:
        if self.location is not None:
            return int(self.array.shape[0])
        return sum(part.length for part in done)

    def finish(self, done: Sequence[Any], writing: Writing) -> Written:
        if self.location is not None:
            return Written(self.location, _starts(self.rows.array.chunks[0]))
        starts = _starts([part.length for part in done])
        classes = None
        if self.rows.encode:
            found = [part.classes for part in done if part.length]
            classes = distinct_classes(np.concatenate(found))[0] if found else np.empty(0)
        location = self.rows.create(starts[-1])
        _write_parts(location, done, starts, classes, writing)
        return Written(location, starts, classes)


def _key(what: str, name: str, number: int) -> tuple[str, int]:
    return (f"{what}-{name}-{uuid.uuid4().hex[:12]}", number)


def _starts(lengths: Sequence[int]) -> tuple[int, ...]:
    return (0, *accumulate(map(int, lengths)))


def _part(
    convert: Convert,
    encode: bool,
    block: Any,
    place: ArrayLocation | None,
    writing: Writing,
) -> _Part:
    if not len(block):
        return _Part(np.empty(0), 0, None)
    try:
        rows, classes = np.asarray(convert(block, 0)), None
    except HornError:
        raise
    except ValueError as error:
        fault = Unnumbered.among(convert, str(error), block)
        return _Part(np.empty(0), len(block), None, fault)
    if encode:
        classes, rows = distinct_classes(rows)
    if place is None:
        return _Part(rows, len(rows), classes)
    folder, _, name = place.path.rpartition("/")
    with writing():
        group = open_group(place.store, "r+", folder)
        # A task that is repeated finds what it has written before.
        create_rows(group, name, rows.shape, rows.dtype, overwrite=True)[...] = rows
    return _Part(place, len(rows), classes)


def _write_parts(
    location: ArrayLocation,
    parts: Sequence[_Part],
    starts: tuple[int, ...],
    classes: NDArray[Any] | None,
    writing: Writing,
) -> None:
    """Write the rows of parts one after the other, a Zarr chunk to a task where there are tasks."""
    codes = [
        None if classes is None or part.classes is None else class_codes(part.classes, classes)
        for part in parts
    ]
    if location.in_process:
        for part, code, start in zip(parts, codes, starts, strict=False):
            if not part.length:
                continue
            rows = part.read(0, part.length)
            write_block(
                location, start, _as_they_are, writing, rows if code is None else code[rows]
            )
        return
    chunk, tasks = location.open().chunks[0], []
    for first in range(0, starts[-1], chunk):
        last = min(first + chunk, starts[-1])
        low = int(np.searchsorted(starts, first, side="right")) - 1
        high = int(np.searchsorted(starts, last, side="left"))
        some = [
            (parts[i], codes[i], max(first - starts[i], 0), min(last, starts[i + 1]) - starts[i])
            for i in range(low, high)
            if parts[i].length
        ]
        key = _key("spool", "parts", first)
        tasks.append(call(_write_some, location, first, some, writing, key=key))
    compute(*tasks)


def _write_some(location: ArrayLocation, first: int, some: Sequence[Any], writing: Writing) -> None:
    """Write the rows of a chunk, from the parts that have some of them."""
    rows = []
    for part, codes, start, stop in some:
        own = part.read(start, stop)
        rows.append(own if codes is None else codes[own])
    write_block(location, first, _as_they_are, writing, np.concatenate(rows))


def _as_they_are(rows: NDArray[Any], start: int) -> NDArray[Any]:
    return rows


def _labels(rows: FrameRows) -> tuple[int, int, int] | None:
    return rows.labels


def _check_labels(names: Sequence[str], labels: Sequence[Sequence[Any]]) -> None:
    """Refuse frames that have the same labels in another order; by their sums, in whole frames."""
    sums = []
    for own in labels:
        if any(one is None for one in own):
            return
        first, total, placed = 0, 0, 0
        for n, hashes, products in own:
            placed += products + first * hashes
            first, total = first + n, total + hashes
        sums.append((first, total % 2**64, placed % 2**64))
    for name, own in zip(names[1:], sums[1:], strict=True):
        if own[:2] == sums[0][:2] and own != sums[0]:
            raise ValueError(other_order(names[0], name))


def _sources(blocks: NDArray[Any]) -> set[Any]:
    """Return all tasks that blocks come from."""
    needed = blocks.flat[0].dask.get_all_dependencies()
    seen: set[Any] = set()
    left = [block.key for block in blocks.flat]
    while left:
        key = left.pop()
        if key not in seen:
            seen.add(key)
            left.extend(needed.get(key, ()))
    return seen


def _refuse_unordered(blocks: Mapping[str, NDArray[Any]]) -> None:
    """Refuse arrays of two shuffles, each of which gives its rows as they arrive."""
    if len(blocks) < 2:
        return
    tasks = [_sources(own) for own in blocks.values()]
    alone = {key_split(key) for key in tasks[0] ^ tasks[1]}
    # Tasks that Dask has made one have the names of all.
    if any(unordered in name for name in alone for unordered in _UNORDERED):
        raise ValueError(
            "X and y come from two shuffles, whose rows need not come in the same order; pass "
            "columns of one Dask frame, not their arrays, or persist the frame before"
        )


def _some_twice(x: NDArray[Any], y: NDArray[Any]) -> list[Any]:
    """Compare a few blocks of targets with themselves, computed again.

    Again but for what the samples come from too, which is computed once: targets that come in
    another order from the rest come in another order than the samples.
    """
    shared = _sources(x)
    tasks = []
    for place in sorted({0, len(y) // 2}):
        block = y[place].flat[0] if y.ndim > 1 else y[place]
        again = _again(block, _sources(np.array([block], dtype=object)) - shared)
        if again is not None:
            tasks.append(call(_alike, block, again, key=_key("again", "y", place)))
    return tasks


def _again(block: Any, own: set[Any]) -> Any:
    """Return a block whose own tasks have other names; None where they cannot be renamed."""
    graph = block.dask
    needed = graph.get_all_dependencies()
    token = uuid.uuid4().hex[:12]
    names = {key: (f"again-{token}", number) for number, key in enumerate(own)}
    if block.key not in names or not all(hasattr(graph[key], "substitute") for key in own):
        return None
    renamed = {
        name: graph[key].substitute(
            {other: names[other] for other in needed[key] if other in names}, key=name
        )
        for key, name in names.items()
    }
    layer = f"again-{token}"
    whole = HighLevelGraph.from_collections(layer, renamed, dependencies=[block])
    return Delayed(names[block.key], whole, layer=layer)


def _alike(block: Any, again: Any) -> bool:
    """Whether two blocks of targets hold the same."""
    if np.shape(block) != np.shape(again):
        return False
    if block.dtype.kind in "biufc":
        return np.array_equal(block, again, equal_nan=block.dtype.kind in "fc")
    return bool(np.asarray(block).tolist() == np.asarray(again).tolist())
