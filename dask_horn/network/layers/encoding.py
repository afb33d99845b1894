"""What the layers at a network's entrance have in common: they append columns to its samples."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dask_horn.checks import checked_integer
from dask_horn.network.elements.signals import Signal
from dask_horn.network.layers.base import Layer

#: The most columns of a kind that one input column may be encoded in.
MOST_OF_A_COLUMN = 4096

#: A number for all input columns, or one for each of them.
Counts = int | tuple[int, ...]


@dataclass(frozen=True, repr=False)
class Encoding(Layer):
    """Base of the layers that stand before all others of a network over rows of features.

    Each keeps the columns that it gets, and appends columns of its own. They are made from the
    network's input columns, which always come first.
    """

    @abstractmethod
    def n_appended(self, n_inputs: int) -> int:
        """Return how many columns are appended to samples of so many input columns.

        Raises
        ------
        ValueError
            If the layer's settings do not go with so many columns.
        """

    def outputs(self, inputs: Signal) -> Signal:
        """Append the layer's columns; see `Layer.outputs`."""
        if len(inputs.shape) != 1:
            raise ValueError(
                f"{type(self).__name__} takes rows of features, got samples of shape "
                f"{inputs.shape}; leave it out"
            )
        n = self.n_appended(inputs.plain)
        return dataclasses.replace(inputs, shape=(inputs.width + n,), appended=inputs.appended + n)


def checked_counts(argument: str, value: Any) -> Counts:
    """Return a number of at least 1, or a tuple with a number for each input column."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return checked_integer(argument, value, 1, MOST_OF_A_COLUMN)
    return tuple(
        checked_integer(f"{argument}[{column}]", number, 0, MOST_OF_A_COLUMN)
        for column, number in enumerate(value)
    )


def counts_of(argument: str, counts: Counts, n_inputs: int) -> tuple[int, ...]:
    """Return the number for each of so many input columns."""
    if isinstance(counts, int):
        return (counts,) * n_inputs
    if len(counts) != n_inputs:
        raise ValueError(
            f"{argument} must be a number, or have one for each of the {n_inputs} input columns, "
            f"got {len(counts)} numbers"
        )
    return counts
