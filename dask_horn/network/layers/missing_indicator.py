"""Missing values: the mean in their place, and columns that tell where they were."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from dask_horn.checks import checked_integer
from dask_horn.network.layers.encoding import Encoding


@dataclass(frozen=True, repr=False)
class MissingIndicator(Encoding):
    """Takes samples with missing values (NaN), and tells the layers behind it where they were.

    A missing value becomes 0, in whichever column it is: where samples are standardized, as they
    are by default, this is the column's mean. For each of the given columns a column is appended,
    which is 1 where the value was missing, else 0.

    It stands before all other layers, of a network over rows of features.

    Attributes
    ----------
    columns : sequence of int, optional
        The input columns, counted from 0, that have a column appended; by default all.
    name : str, optional
        Letters, digits and underscores. By default the network chooses ``missing_indicator_1``.

    Raises
    ------
    TypeError, ValueError
        If the columns are not different integers of at least 0.

    Examples
    --------
    >>> from dask_horn.network import Signal
    >>> MissingIndicator(columns=(0, 3)).outputs(Signal((10,), "input")).shape
    (12,)
    """

    kind: ClassVar[str] = "missing_indicator"

    columns: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "columns", _checked_columns(self.columns))

    def n_appended(self, n_inputs: int) -> int:
        """Return the number of columns that are told of; see `Encoding.n_appended`."""
        return len(self.columns_of(n_inputs))

    def columns_of(self, n_inputs: int) -> tuple[int, ...]:
        """Return the columns that are told of, of so many."""
        if self.columns is None:
            return tuple(range(n_inputs))
        if max(self.columns, default=0) >= n_inputs:
            raise ValueError(
                f"columns must be numbers below {n_inputs}, as many as samples have columns, got "
                f"{max(self.columns)}"
            )
        return self.columns


def _checked_columns(value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"columns must be a sequence of integers, or None for all, got {value!r}")
    columns = tuple(
        checked_integer(f"columns[{place}]", column, 0) for place, column in enumerate(value)
    )
    if len(set(columns)) < len(columns):
        raise ValueError(f"columns must have each column once, got {columns}")
    return columns
