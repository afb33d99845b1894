"""The layers that an estimator puts before its network: missing values, and encodings of numbers.

Which columns they take follows from the training rows, so until these are surveyed there is a guess
that takes the same samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data import Survey
from dask_horn.model import Ensemble, Model
from dask_horn.network import MissingIndicator, Periodic, PiecewiseLinear
from dask_horn.network.layers import Encoding, Layer

#: Settings of `numeric_encoding`, besides None.
NUMERIC_ENCODINGS = ("auto",)

_MOST_BINS, _ROWS_OF_A_BIN = 48, 200
_ALL_BINS = 320  # of all columns together: the first product takes as long as it has inputs
_FREQUENCIES = 4
_MOST_FIXED = 16  # columns: of more, few may matter, whose frequencies must be the right ones
_MOST_COLUMNS = 256  # beyond, columns are pixels or words, whose encodings would cost too much
_FEWEST_VALUES = 3  # of two, a weight tells as much as any encoding


@dataclass(frozen=True)
class Entrance:
    """What stands at the entrance of an estimator's network.

    Attributes
    ----------
    indicates : bool
        Whether missing values are taken.
    encodes : bool
        Whether numbers are encoded.
    settled : tuple of Layer or None
        The layers themselves, once it is known for which columns.
    """

    indicates: bool
    encodes: bool
    settled: tuple[Layer, ...] | None = None

    def with_layers_of(
        self, model: Model | Ensemble | None, shape: tuple[int, ...], given: Sequence[Layer]
    ) -> Entrance:
        """Return the same, settled as a model has it that is trained further.

        Parameters
        ----------
        model : Model, Ensemble or None
        shape : tuple of int
            Of a sample.
        given : sequence of Layer
            The user's own layers, which come behind: what is among them is not put before them.

        Raises
        ------
        ValueError
            If the model's layers are for samples of another shape.
        """
        if model is None:
            return self
        own = {type(layer) for layer in given}
        layers = tuple(
            layer
            for layer in model.network.layers
            if isinstance(layer, Encoding) and type(layer) not in own
        )
        if layers and model.network.input_shape != shape:
            raise ValueError(
                f"initial takes samples of shape {model.network.input_shape}, got {shape}; pass "
                "the same columns as it was trained on"
            )
        return Entrance(self.indicates, self.encodes, layers)

    @property
    def is_open(self) -> bool:
        """Whether the training rows have yet to tell for which columns the layers are."""
        return self.settled is None and (self.indicates or self.encodes)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers as far as they are known."""
        if self.settled is not None:
            return self.settled
        encodings: tuple[Layer, ...] = (PiecewiseLinear(2), Periodic(_FREQUENCIES))
        return (MissingIndicator(),) * self.indicates + encodings * self.encodes

    def settle(self, found: Survey) -> Entrance:
        """Return the same with the layers that suit the training rows."""
        layers: list[Layer] = []
        if self.indicates:
            assert found.n_missing is not None, "the guess takes missing values"
            layers.append(MissingIndicator(tuple(np.flatnonzero(found.n_missing).tolist())))
        if self.encodes:
            assert found.sample is not None, "the guess measures"
            layers += encodings_for(found.n_samples, found.sample)
        return Entrance(self.indicates, self.encodes, tuple(layers))


def encodings_for(n_samples: int, sample: NDArray[np.floating[Any]]) -> list[Layer]:
    """Return encodings of the columns that have them.

    Bins need samples, 200 each, and all columns share 320 bins. A column of two values has no
    encoding, and one of few values half as many bins: what is between them is never asked for.

    Parameters
    ----------
    n_samples : int
        Training samples.
    sample : ndarray, (rows, columns)
        Some of them, as they are stored.
    """
    if n_samples < 2 * _ROWS_OF_A_BIN:
        return []
    values = [_n_values(column) for column in sample.T]
    n_encoded = sum(n >= _FEWEST_VALUES for n in values)
    most = min(_MOST_BINS, n_samples // _ROWS_OF_A_BIN, max(2, _ALL_BINS // max(n_encoded, 1)))
    bins = [min(most, n // 2) if n >= _FEWEST_VALUES else 0 for n in values]
    frequencies = [_FREQUENCIES if n >= _FEWEST_VALUES else 0 for n in values]
    if not any(bins):
        return []
    learned = n_encoded > _MOST_FIXED
    return [PiecewiseLinear(tuple(bins)), Periodic(tuple(frequencies), learned=learned)]


def may_encode(n_columns: int) -> bool:
    """Whether samples of so many columns are tables, by the look of them."""
    return n_columns <= _MOST_COLUMNS


def _n_values(column: NDArray[np.floating[Any]]) -> int:
    """Count distinct values that are not missing; of a few rows, where these have enough."""
    for rows in (column[:1024], column):
        n = len(np.unique(rows[~np.isnan(rows)]))
        if n > 2 * _MOST_BINS:
            return n
    return n
