"""Blocks of Dask collections beside what the collections declare: Dask believes what it hears.

A function given to ``map_blocks`` with ``dtype=`` may return another dtype, and Dask casts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dask_horn.data.values.marks import Marks
from dask_horn.data.values.plain import unmissed

# Integers of so many bytes do not all fit into the 53 bits of a float64.
_WIDE = 8


@dataclass(frozen=True)
class Declared:
    """What a Dask frame declares of its partitions.

    Attributes
    ----------
    name : str
        The argument.
    kind : type
        Data frame or series.
    columns : tuple
        Names of the columns in their order; of a series none.
    shape : tuple of int
        Shape of a row.
    dtype : numpy.dtype
        That of all columns together.
    nullable : bool
        Whether a column's own dtype knows missing values.
    """

    name: str
    kind: type
    columns: tuple[Any, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    nullable: bool = False

    @classmethod
    def of(cls, name: str, frame: Any) -> Self:
        """Return what a frame declares.

        Raises
        ------
        ValueError
            If they are samples, and columns hold categories, text or dates.
        """
        meta = frame._meta
        columns = tuple(getattr(meta, "columns", ()))
        like = np.asarray(unmissed(meta, name, numeric=name == "X", lazy=True))
        dtypes = meta.dtypes if like.ndim > 1 else [meta.dtype]
        nullable = any(not isinstance(dtype, np.dtype) for dtype in dtypes)
        return cls(name, type(meta), columns, like.shape[1:], like.dtype, nullable)


@dataclass(frozen=True, eq=False)
class FrameRows:
    """The rows of a frame's partition.

    Attributes
    ----------
    values : ndarray, (n, ...)
    labels : tuple of int, or None
        Number of rows, sum of the hashes of their index labels, and sum of the hashes times the
        rows' numbers, modulo 2⁶⁴; None where there is only one frame, or no hash.
    fault : str or None
        What is wrong with the partition, to be said after "partition 3 of".
    """

    values: NDArray[Any]
    labels: tuple[int, int, int] | None
    fault: str | None = None


def checked_block(name: str, marks: Marks, block: Any, block_info: Any = None) -> Any:
    """Return a block of a Dask array, in the dtype that is declared; refuse any other.

    A dtype of which each value is kept by the cast is cast. Values that are none by the marks of
    what is read are masked.

    Raises
    ------
    TypeError
        If the block is no NumPy array.
    ValueError
        If its dtype or shape is not what the array declares.
    """
    if not block_info:  # Dask tries functions out on nothing
        return block
    told = block_info[None]
    place = tuple(int(number) for number in told["chunk-location"])
    if not isinstance(block, np.ndarray):
        raise TypeError(
            f"block {place} of {name} is a {type(block).__name__} and no NumPy array; make its "
            f"blocks NumPy arrays first, such as {name}.map_blocks(lambda block: block.toarray())"
        )
    declared = tuple(told["chunk-shape"])
    same = len(declared) == block.ndim and all(
        length in (here, -1) or length != length  # unknown lengths are NaN
        for length, here in zip(declared, block.shape, strict=True)
    )
    if not same:
        raise ValueError(
            f"block {place} of {name} has the shape {block.shape}, but {declared} is declared; "
            "declare what comes, such as by map_blocks(..., chunks=...)"
        )
    dtype = np.dtype(told["dtype"])
    if not keeps(block.dtype, dtype):
        raise ValueError(
            f"block {place} of {name} has dtype {block.dtype}, but {dtype} is declared; declare "
            f"what comes, such as by map_blocks(..., dtype={str(block.dtype)!r})"
        )
    return marks.masked(block if dtype.kind not in "biufc" else block.astype(dtype, copy=False))


def keeps(real: np.dtype[Any], declared: np.dtype[Any]) -> bool:
    """Whether values keep their meaning in a declared dtype.

    Examples
    --------
    >>> keeps(np.dtype("f4"), np.dtype("f8")), keeps(np.dtype("f8"), np.dtype("f4"))
    (True, False)
    >>> keeps(np.dtype("i8"), np.dtype("f8"))  # not all of them beyond 2**53
    False
    """
    if declared.kind not in "biufc":  # objects and text are looked at value by value
        return True
    rounds = real.kind in "iu" and declared.kind in "fc" and real.itemsize >= _WIDE
    return real.kind != "O" and np.can_cast(real, declared, "safe") and not rounds


def frame_rows(declared: tuple[Declared, ...], *parts: Any) -> list[FrameRows]:
    """Return the rows of partitions that belong together, one of each frame."""
    rows = [_rows_of(one, part) for one, part in zip(declared, parts, strict=True)]
    if len(parts) == 1 or any(one.fault for one in rows):
        return rows
    rows = [
        FrameRows(one.values, _labels(part.index)) for one, part in zip(rows, parts, strict=True)
    ]
    for one, part in zip(declared[1:], parts[1:], strict=True):
        if _in_other_order(parts[0].index, part.index):
            fault = other_order(declared[0].name, one.name)
            return [FrameRows(own.values, None, fault) for own in rows]
    return rows


def other_order(name: str, other: str) -> str:
    """Tell that the rows of two frames do not belong together."""
    return (
        f"{other} has the index labels of {name} in another order, so that rows do not belong "
        "together; take both from one frame, after it was shuffled or sampled"
    )


def _rows_of(declared: Declared, part: Any) -> FrameRows:
    """Return the rows of a partition, or what is wrong with it."""
    columns = tuple(getattr(part, "columns", ()))
    if not issubclass(type(part), declared.kind):
        return _other(declared, f"is a {type(part).__name__}", f"a {declared.kind.__name__} is")
    if columns != declared.columns:
        return _other(declared, f"has the columns {list(columns)}", f"{list(declared.columns)} are")
    values = np.asanyarray(unmissed(part, declared.name, numeric=declared.name == "X"))
    if not keeps(values.dtype, declared.dtype):
        return _other(declared, f"has dtype {values.dtype}", f"{declared.dtype} is")
    exact = declared.dtype.kind in "biufc"
    return FrameRows(values.astype(declared.dtype, copy=False) if exact else values, None)


def _other(declared: Declared, real: str, expected: str) -> FrameRows:
    """Tell of a partition that is not what is declared."""
    told = f"{declared.name} {real}, but {expected} declared; correct meta= where it is made"
    return FrameRows(np.empty(0), None, told)


def _labels(index: Any) -> tuple[int, int, int] | None:
    """Return what tells the labels of rows, and their order, from others."""
    from pandas.util import hash_pandas_object

    try:
        hashes = hash_pandas_object(index, index=False).to_numpy()
    except (TypeError, ValueError):  # labels that pandas does not hash
        return None
    places = np.arange(len(hashes), dtype=np.uint64)
    return len(hashes), int(hashes.sum()), int((hashes * places).sum())


def _in_other_order(index: Any, other: Any) -> bool:
    """Whether labels that both have come in another order in the one than in the other."""
    if index.equals(other) or not (index.is_unique and other.is_unique):
        return False
    places = other.get_indexer(index)
    return bool((np.diff(places[places >= 0]) < 0).any())
