"""Numbers that an array's attributes say are no values: looked for among those that are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data.values.plain import Gap, column_place, noted, told_missing


@dataclass(frozen=True)
class Marks:
    """What an array's attributes say stands for a missing value.

    Attributes
    ----------
    fills : tuple of (str, number or text)
        Attributes, and the value that each says is none.
    least, most : (str, number) or None
        The attribute that names the smallest valid value, or the largest, and that value.

    Examples
    --------
    >>> marks = Marks((("_FillValue", -999),))
    >>> marks.absent(np.array([[1, -999]]))
    array([[False,  True]])
    >>> marks.fault(np.array([[1, -999]]), "y", "output", first_row=5)
    'y holds a missing value (-999, by its attribute _FillValue) at sample 5, output 1; fill in \
such values or leave those samples out.'
    """

    fills: tuple[tuple[str, Any], ...] = ()
    least: tuple[str, Any] | None = None
    most: tuple[str, Any] | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self.fills or self.least or self.most)

    def absent(self, rows: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Tell which values are none; None where all are."""
        found = np.zeros(rows.shape, bool)
        for _, fill in self.fills:
            found |= rows == fill
        if self.least is not None:
            found |= rows < self.least[1]
        if self.most is not None:
            found |= rows > self.most[1]
        return found if found.any() else None

    def masked(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return rows that are read, masked where they hold no value."""
        absent = self.absent(rows) if self else None
        if absent is None:
            return rows
        return self._masked(rows, absent)

    def _masked(self, rows: NDArray[Any], absent: NDArray[np.bool_]) -> NDArray[Any]:
        """Mask rows; what these marks say of the first such value is noted."""
        gap = self._gap(rows[tuple(np.argwhere(absent)[0])])
        # Masked arrays of half precision warn of the default fill value that they cannot hold.
        kept = rows.astype(np.float32) if rows.dtype.kind == "f" and rows.itemsize < 4 else rows
        return noted(np.ma.masked_array(kept, absent), gap=gap)

    def fault(
        self,
        rows: NDArray[Any],
        name: str,
        column_word: str,
        first_row: int = 0,
        counted: NDArray[np.bool_] | None = None,
    ) -> str | None:
        """Describe the first value that is none; None where all are values.

        Parameters
        ----------
        rows : numpy.ndarray, shape (n,) or (n, columns)
            As they are stored, in any dtype.
        name : str
            The array that they are, ``"X"`` or ``"y"``.
        column_word : str
            What a column is, for the message.
        first_row : int, default 0
            The number of the first row.
        counted : numpy.ndarray of bool, of the rows' shape, optional
            Those that are not counted may be anything.
        """
        absent = self.absent(rows) if self else None
        if absent is not None and counted is not None:
            absent &= counted
        if absent is None or not absent.any():
            return None
        row, *column = np.argwhere(absent)[0].tolist()
        what = str(self._gap(rows[row, *column]))
        place = column_place(column, column_word, None)
        return told_missing(name, what, row, first_row, place)

    def _gap(self, value: Any) -> Gap:
        attribute = self._named(value)
        word = "another number " if attribute == "_Unsigned" else ""
        return Gap(f"{value}, {word}by its attribute {attribute}")

    def _named(self, value: Any) -> str:
        """Return the attribute by which a value is none."""
        for attribute, fill in self.fills:
            if value == fill:
                return attribute
        if self.least is not None and value < self.least[1]:
            return self.least[0]
        return "" if self.most is None else self.most[0]


def masked_columns(marks: Sequence[Marks], rows: NDArray[Any]) -> NDArray[Any]:
    """Return rows (n, columns), masked where a column holds none of its own values."""
    absent = np.zeros(rows.shape, bool)
    for i, own in enumerate(marks):
        found = own.absent(rows[:, i]) if own else None
        absent[:, i] = False if found is None else found
    if not absent.any():
        return rows
    first: Marks = marks[int(np.argwhere(absent)[0, 1])]
    return first._masked(rows, absent)


#: Every number is a value.
NO_MARKS = Marks()
