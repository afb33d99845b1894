"""The piecewise linear encoding of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dask_horn.network.elements.parameters import TensorSpec
from dask_horn.network.elements.signals import Signal
from dask_horn.network.layers.encoding import Counts, Encoding, checked_counts, counts_of


@dataclass(frozen=True, repr=False)
class PiecewiseLinear(Encoding):
    """Appends to each input column x how far it fills each of its bins.

    A column's values are cut into bins ``[e_t, e_(t+1)]`` of equally many samples. For each bin a
    column is appended: ``(x - e_t) / (e_(t+1) - e_t)``, no less than 0 and no more than 1 [1]_,
    less ½, so that the mean is about 0. A bin below x is ½, one above it is -½, and a weight on it
    is the slope of what the network makes of x within the bin. Where values are so often the same
    that edges are too, the bin between them is always -½.

    It stands before all layers that are no encodings, of a network over rows of features. The
    tensor ``edges`` has those of one column after the other: quantiles of the standardized training
    samples. They are measured once and not trained, and all sub-models have them.

    Attributes
    ----------
    bins : int or sequence of int, default 16
        Number of bins, from 1 to 4,096, or one for each input column: 0 leaves a column as it is.
    name : str, optional
        Letters, digits and underscores. By default the network chooses ``piecewise_linear_1``.

    Raises
    ------
    TypeError, ValueError
        If a number of bins is not an integer, or out of its bounds.

    References
    ----------
    .. [1] Gorishniy, Rubachev, Babenko: On Embeddings for Numerical Features in Tabular Deep
       Learning, NeurIPS 2022, section 3.2.1 and equation 1.

    Examples
    --------
    >>> layer = PiecewiseLinear(4, name="bins")
    >>> signal = Signal((10,), "input")
    >>> layer.outputs(signal).shape, layer.tensors(signal)[0].shape
    ((50,), (50,))
    >>> layer.measured(Signal((1,), "input"), np.arange(9, dtype=np.float32)[:, np.newaxis])
    {'bins/edges': array([0., 2., 4., 6., 8.], dtype=float32)}
    """

    kind: ClassVar[str] = "piecewise_linear"

    bins: Counts = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "bins", checked_counts("bins", self.bins))

    def bins_of(self, n_inputs: int) -> tuple[int, ...]:
        """Return the number of bins of each of so many input columns."""
        return counts_of("bins", self.bins, n_inputs)

    def n_appended(self, n_inputs: int) -> int:
        """Return the number of all bins; see `Encoding.n_appended`."""
        return sum(self.bins_of(n_inputs))

    def tensors(self, inputs: Signal) -> tuple[TensorSpec, ...]:
        """Return ``edges``, if there are any bins; see `Layer.tensors`."""
        n_edges = sum(bins + 1 for bins in self.bins_of(inputs.plain) if bins)
        name = f"{self.given_name}/edges"
        edges = TensorSpec(
            name, (n_edges,), (None,), 1, 1, "linear", decays=False, uses=0, trained=False
        )
        return (edges,) if n_edges else ()

    @property
    def measures(self) -> bool:
        """Whether there are any bins; see `Layer.measures`."""
        return isinstance(self.bins, int) or any(self.bins)

    def measured(
        self, inputs: Signal, samples: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float32]]:
        """Return ``edges``; see `Layer.measured`."""
        edges = [
            _edges(samples[:, column], bins)
            for column, bins in enumerate(self.bins_of(inputs.plain))
            if bins
        ]
        return {f"{self.given_name}/edges": np.concatenate(edges)} if edges else {}


def _edges(column: NDArray[np.float32], bins: int) -> NDArray[np.float32]:
    """Return the edges of bins of equally many values, but for those that are missing."""
    values = column[~np.isnan(column)].astype(np.float64)
    if values.size == 0:
        return np.zeros(bins + 1, np.float32)
    edges = np.quantile(values, np.arange(bins + 1) / bins)
    return (edges + 0.0).astype(np.float32)  # -0.0 would not keep its sign in a merge
