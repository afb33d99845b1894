"""How a model is divided: which sub-model holds which units, and slices by those units.

Knows unit axes and parameter tables; nothing of layers, data, or training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.checks import checked_integer
from dask_horn.kernels import slices
from dask_horn.network import Network, ParameterTable
from dask_horn.randomness import Purpose, generator

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class SliceMap:
    """Where the entries of one sub-model's parameter vector lie in the parent's.

    Attributes
    ----------
    table : ParameterTable
        The sub-model's own parameters.
    layout, units : ndarray of int64
        The same, in the form that the kernels read (`dask_horn.kernels.slices`).
    """

    table: ParameterTable
    layout: NDArray[np.int64]
    units: NDArray[np.int64]

    @classmethod
    def build(cls, table: ParameterTable, index_sets: Mapping[str, NDArray[np.int64]]) -> SliceMap:
        """Map the slice that restricts each axis in `index_sets` to its units, others whole."""
        part = table.restrict({axis: len(units) for axis, units in index_sets.items()})
        longest = max(max(tensor.shape) for tensor in table.tensors)
        starts: dict[str | None, int] = {None: 0}
        pieces = [np.arange(longest)]
        for axis, units in index_sets.items():
            starts[axis] = sum(piece.size for piece in pieces)
            pieces.append(units)
        layout = np.zeros((len(table.tensors), slices.N_COLUMNS), np.int64)
        layout[:, slices.LENGTHS : slices.UNITS] = 1
        for row, whole, own in zip(layout, table.tensors, part.tensors, strict=True):
            lead = slices.N_AXES - len(whole.shape)
            row[slices.WHOLE_OFFSET], row[slices.OFFSET] = whole.offset, own.offset
            row[slices.LENGTHS + lead : slices.WHOLE_LENGTHS] = own.shape
            row[slices.WHOLE_LENGTHS + lead : slices.UNITS] = whole.shape
            row[slices.UNITS + lead :] = [starts.get(axis, 0) for axis in whole.axes]
        return cls(part, layout, np.concatenate(pieces).astype(np.int64))

    def take(self, whole: NDArray[np.float32]) -> NDArray[np.float32]:
        """Copy the sub-model's vector out of the parent's."""
        part = np.zeros(self.table.size, np.float32)
        slices.take_slice(whole, part, self.layout, self.units)
        return part

    def put(
        self, part: NDArray[np.float32], into: NDArray[np.float32], weight: float = 1.0
    ) -> None:
        """Add `weight` times the sub-model's vector to its places in the parent's, in place."""
        slices.put_slice(into, part, np.float32(weight), self.layout, self.units)

    def count(self, into: NDArray[np.float32], weight: float = 1.0) -> None:
        """Add `weight` to every place of the parent's vector that the sub-model holds, in place."""
        slices.put_constant(into, np.float32(weight), self.layout, self.units)


# Divided axes that a line of text shows.
_MOST_SHOWN = 4


@dataclass(frozen=True, eq=False, repr=False)
class Partition:
    """A random split of each divided unit axis into disjoint parts, one per sub-model.

    Attributes
    ----------
    n_submodels : int
        How many parts each divided axis has.
    parts : mapping of str to ndarray of int64, (n_units,)
        For each divided axis, the sub-model that holds each unit.

    Examples
    --------
    >>> from dask_horn.network import Dense, Network
    >>> network = Network([Dense(6, activation="relu"), Dense(2)], input_shape=4)
    >>> partition = Partition.draw(network, n_submodels=2, seed=0, concentration=None)
    >>> partition.sizes("dense_1")
    array([3, 3])
    >>> partition
    Partition(2 sub-models; dense_1: 6 units, 3 each)
    """

    n_submodels: int
    parts: Mapping[str, NDArray[np.int64]]

    @classmethod
    def draw(
        cls,
        network: Network,
        n_submodels: int,
        seed: int = 0,
        *,
        round: int = 0,
        group: int = 0,
        concentration: float | None = 100.0,
    ) -> Partition:
        """Draw the partition of one round in one group: a pure function of its arguments.

        Parameters
        ----------
        network : Network
            Whose divided axes are split.
        n_submodels : int
            Number of parts; at most the units of the narrowest divided axis.
        seed, round, group : int
            What the draw is keyed by.
        concentration : float or None, default 100
            Of the Dirichlet distribution of the parts' sizes: the smaller, the more irregular
            (100: parts differ by about a tenth). None makes them as equal as can be.

        Raises
        ------
        ValueError
            If there are no parts, or an axis has fewer units than there are parts.
        """
        check_divisible(network, n_submodels)
        parts: dict[str, NDArray[np.int64]] = {}
        for index, axis in enumerate(network.divided_axes):
            rng = generator(seed, Purpose.PARTITION, round, group, index)
            n_units = network.unit_axes[axis]
            sizes = _draw_sizes(n_units, n_submodels, concentration, rng)
            holder = np.repeat(np.arange(n_submodels), sizes)
            parts[axis] = holder[rng.permutation(n_units)]
        return cls(n_submodels, parts)

    def joined(self, n_submodels: int) -> Partition:
        """Join neighbouring parts, so that `n_submodels` are left.

        Parameters
        ----------
        n_submodels : int
            From 1 to as many as there are; each of them has at least one of the parts, whole.

        Returns
        -------
        Partition

        Raises
        ------
        ValueError
            If there are fewer parts than that.

        Examples
        --------
        >>> Partition(4, {"dense_1": np.array([0, 1, 2, 3])}).joined(2).parts["dense_1"]
        array([0, 0, 1, 1])
        """
        if not 1 <= n_submodels <= self.n_submodels:
            raise ValueError(
                f"n_submodels must be from 1 to the {self.n_submodels} parts that there are, got "
                f"{n_submodels}"
            )
        parts = {axis: part * n_submodels // self.n_submodels for axis, part in self.parts.items()}
        return Partition(n_submodels, parts)

    def sizes(self, axis: str) -> NDArray[np.int64]:
        """How many units of `axis` each sub-model holds, shape (n_submodels,)."""
        return np.bincount(self.parts[axis], minlength=self.n_submodels)

    def index_sets(self, submodel: int) -> dict[str, NDArray[np.int64]]:
        """Return the units of every divided axis that `submodel` holds, in ascending order."""
        return {axis: np.flatnonzero(part == submodel) for axis, part in self.parts.items()}

    def fractions(self, submodel: int) -> dict[str, float]:
        """Return the share of every divided axis that `submodel` holds, in (0, 1]."""
        return {
            axis: np.count_nonzero(part == submodel) / part.size
            for axis, part in self.parts.items()
        }

    def table_of(self, table: ParameterTable, submodel: int) -> ParameterTable:
        """Return the table of the parameters of `submodel`."""
        return self.slice_map(table, submodel).table

    def sizes_in_words(self, axis: str) -> str:
        """Say how many units an axis has, and how many of them the smallest and largest part."""
        sizes = self.sizes(axis)
        total, least, most = int(sizes.sum()), int(sizes.min()), int(sizes.max())
        each = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        return f"{total:,} unit{'' if total == 1 else 's'}, {each} each"

    def slice_map(self, table: ParameterTable, submodel: int) -> SliceMap:
        """Where the parameters of `submodel` lie in the parent's; found once and kept."""
        key = table, submodel
        if key not in self._slice_maps:
            self._slice_maps[key] = SliceMap.build(table, self.index_sets(submodel))
        return self._slice_maps[key]

    def holders(self, table: ParameterTable) -> NDArray[np.float32]:
        """How many sub-models hold each entry of the parent's vector: 0, 1, or all of them."""
        return weigh_holders(table, {0: self}, {(0, k): 1.0 for k in range(self.n_submodels)})

    @cached_property
    def _slice_maps(self) -> dict[tuple[ParameterTable, int], SliceMap]:
        return {}

    def __repr__(self) -> str:
        parts = [f"{axis}: {self.sizes_in_words(axis)}" for axis in self.parts]
        if len(parts) > _MOST_SHOWN:
            parts[_MOST_SHOWN:] = [f"… {len(parts) - _MOST_SHOWN} more"]
        submodels = "1 sub-model" if self.n_submodels == 1 else f"{self.n_submodels} sub-models"
        return f"Partition({'; '.join([submodels, *parts])})"

    def _repr_html_(self) -> str:
        from dask_horn.diagnostics.forms import partition_html

        return partition_html(self)

    def __reduce__(self) -> tuple[Any, ...]:  # without the slice maps, which follow from the rest
        return Partition, (self.n_submodels, self.parts)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw who holds which units: a row per divided axis, a colour per sub-model.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> partition = Partition(2, {"dense_1": np.array([0, 1, 1, 0])})
        >>> axes = partition.plot(ax=Figure().subplots())
        >>> [text.get_text() for text in axes.get_legend().get_texts()]
        ['0', '1']
        """
        from dask_horn.diagnostics.plots import plot_partition

        return plot_partition(self, ax)


def weigh_holders(
    table: ParameterTable,
    partitions: Mapping[int, Partition],
    weights: Mapping[tuple[int, int], float],
) -> NDArray[np.float32]:
    """Add up, for each entry of the parent's vector, the weights of the sub-models that hold it.

    Parameters
    ----------
    table : ParameterTable
        The parent's.
    partitions : mapping of int to Partition
        By the number of the group.
    weights : mapping of (int, int) to float
        By the numbers of group and sub-model; of others nothing is added.

    Returns
    -------
    ndarray of float32, (table.size,)

    Raises
    ------
    KeyError
        If a group that has a weight has no partition.
    """
    total: dict[tuple[Partition, int], float] = {}
    for (group, submodel), weight in weights.items():  # groups may have one partition in common
        key = partitions[group], submodel
        total[key] = total.get(key, 0) + weight
    count = np.zeros(table.size, np.float32)
    for (partition, submodel), weight in total.items():
        partition.slice_map(table, submodel).count(count, weight)
    return count


def check_divisible(network: Network, n_submodels: int) -> None:
    """Raise ValueError unless the network can be divided so.

    Every divided axis needs a unit for each sub-model, and slices have at most N_AXES dimensions.
    """
    checked_integer("n_submodels", n_submodels, 1)
    for axis in network.divided_axes:
        if network.unit_axes[axis] < n_submodels:
            raise ValueError(
                f"n_submodels={n_submodels} is more than the {network.unit_axes[axis]} units of "
                f"layer {axis!r}; use at most {network.unit_axes[axis]} sub-models or a wider layer"
            )
    for tensor in network.parameters.tensors:
        if len(tensor.shape) > slices.N_AXES:
            layer, _, name = tensor.name.partition("/")
            raise ValueError(
                f"layer {layer!r} cannot be divided: its {name} has {len(tensor.shape)} dimensions "
                f"and may have {slices.N_AXES}; lay those that count no units side by side in one"
            )


def _draw_sizes(
    n_units: int, n_parts: int, concentration: float | None, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Sizes that add up to `n_units`, each at least one, by largest remainders."""
    if concentration is None:
        shares = np.full(n_parts, 1.0 / n_parts)
    else:
        shares = generator.dirichlet(np.full(n_parts, float(concentration)))
    exact = shares * n_units
    sizes: NDArray[np.int64] = np.maximum(np.floor(exact).astype(np.int64), 1)
    by_remainder = np.argsort(sizes - exact, kind="stable")  # the most short-changed first
    step = 0
    while sizes.sum() < n_units:
        sizes[by_remainder[step % n_parts]] += 1
        step += 1
    while sizes.sum() > n_units:  # the floor of one unit took too many
        sizes[np.argmax(sizes)] -= 1
    return sizes
