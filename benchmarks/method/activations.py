"""Hidden units' pre-activations, in a parent and in its sub-models, and ways to join the two.

Plain NumPy on a few rows, for relu networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.network import Dense, Network, ParameterTable
from dask_horn.training.tasks.merge import ParentState

__all__ = [
    "UnitStatistics",
    "add_mean_field",
    "pre_activations",
    "recalibrate",
    "unit_means",
]

Tensors = Mapping[str, NDArray[Any]]


class UnitStatistics:
    """Means and standard deviations of hidden units in their sub-models, one row per holder."""

    def __init__(self) -> None:
        self.seen: dict[str, list[tuple[NDArray[np.int64], Any, Any]]] = {}

    def add(self, sums: Tensors, units: Mapping[str, NDArray[np.int64]]) -> None:
        for layer, own in units.items():
            z = sums[layer]
            self.seen.setdefault(layer, []).append((own, z.mean(axis=0), z.std(axis=0)))

    def of(self, layer: str, n_units: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Mean over the holders: means and standard deviations, (n_units,) each."""
        totals = np.zeros((3, n_units))
        for own, mean, deviation in self.seen[layer]:
            totals[:, own] += np.stack([np.ones(own.size), mean, deviation])
        return totals[1] / totals[0], totals[2] / totals[0]


def pre_activations(
    network: Network,
    tensors: Tensors,
    rows: NDArray[Any],
    scales: Mapping[str, float] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """``c x W + b`` of every dense layer by its name, dropout aside; relu networks only."""
    found: dict[str, NDArray[np.float64]] = {}
    h = rows
    for layer in network.named_layers:
        if isinstance(layer, Dense):
            name = str(layer.name)
            c = (scales or {}).get(f"{name}/W", 1.0)
            z = c * (h @ tensors[f"{name}/W"]) + tensors[f"{name}/b"]
            found[name] = z
            h = np.maximum(z, 0)
    return found


def unit_means(network: Network, tensors: Tensors, rows: NDArray[Any]) -> Tensors:
    """Mean activation of every hidden unit in the parent."""
    sums = pre_activations(network, tensors, rows)
    return {name: np.maximum(z, 0).mean(axis=0) for name, z in sums.items()}


def add_mean_field(
    own: Tensors,
    table: ParameterTable,
    parent: ParentState,
    means: Tensors,
    units: Mapping[str, NDArray[np.int64]],
    scales: Mapping[str, float],
) -> None:
    """Add to a slice's biases ``Σ_all m W - c Σ_own m W``: the mean of what it lacks."""
    whole = table.as_dict(parent.parameters)
    for name, c in scales.items():
        layer, weight = name.removesuffix("/W"), table[name]
        source, target = weight.axes[0], weight.axes[-1]
        assert source is not None
        held = units.get(str(target), np.arange(weight.shape[-1]))
        lacking = means[source] @ whole[f"{layer}/W"][:, held]
        lacking -= c * (means[source][units[source]] @ own[f"{layer}/W"])
        own[f"{layer}/b"][:] += lacking


def recalibrate(
    network: Network, tensors: Tensors, rows: NDArray[Any], statistics: UnitStatistics
) -> None:
    """Give the parent's hidden units their sub-models' means and deviations, layer by layer.

    References
    ----------
    Jordan et al. (2023), "REPAIR: renormalizing permuted activations for interpolation repair".
    """
    h = rows
    for layer in network.named_layers:
        if not isinstance(layer, Dense) or layer.name not in statistics.seen:
            continue
        weight, bias = tensors[f"{layer.name}/W"], tensors[f"{layer.name}/b"]
        z = h @ weight
        mean, deviation = statistics.of(str(layer.name), bias.size)
        factor = deviation / np.maximum(z.std(axis=0), 1e-6)
        weight *= factor
        bias[:] = mean - factor * z.mean(axis=0)
        h = np.maximum(h @ weight + bias, 0)
