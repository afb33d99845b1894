"""What is wrong with rows whose numbers are not known yet, as in chunks of unknown length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Self


@dataclass(frozen=True, eq=False)
class Unnumbered:
    """What is refused of a chunk: the first such rows travel to where their numbers are known.

    Attributes
    ----------
    told : str
        What was said of the chunk.
    first : int
        The number of the rows within the chunk.
    rows : tuple of array
        They, and what belongs to them.

    Examples
    --------
    >>> def check(rows, first):
    ...     if -1 in rows:
    ...         raise ValueError(f"-1 at {first + rows.index(-1)}")
    >>> fault = Unnumbered.among(check, "-1 at 2", [5, 6, -1, 8])
    >>> fault.first, fault.rows
    (2, ([-1],))
    >>> fault.tell(check, 40)
    Traceback (most recent call last):
    ...
    ValueError: -1 at 42
    """

    told: str
    first: int
    rows: tuple[Any, ...]

    @classmethod
    def among(cls, check: Callable[..., Any], told: str, *chunk: Any) -> Self:
        """Narrow a chunk down to the first row that `check` refuses, or the fewest rows together.

        Parameters
        ----------
        check : callable
            From rows, what belongs to them, and the number of the first: raises a ValueError.
        told : str
            What it says of the chunk.
        *chunk : array
            All rows, and what belongs to them.
        """
        start, stop = 0, len(chunk[0])
        while stop - start > 1:
            middle = (start + stop) // 2
            try:
                check(*(rows[start:middle] for rows in chunk), 0)
            except ValueError:
                stop = middle
            else:
                start = middle
        return cls(told, start, tuple(rows[start:stop] for rows in chunk))

    def tell(self, check: Callable[..., Any], start: int) -> NoReturn:
        """Raise it by the rows' own number, where the chunk's first row has the number `start`."""
        check(*self.rows, start + self.first)
        raise ValueError(self.told)
