"""How the parents of a run are divided, and what their sub-models start from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels.random import derive_key
from dask_horn.partition import Partition
from dask_horn.program import submodel_scales
from dask_horn.training.spec import RunSpec

__all__ = ["first_partition", "first_values", "partition_of"]


def partition_of(spec: RunSpec, round: int, group: int) -> Partition:
    """Divide one group's copy for one round: a pure function of its arguments.

    Either every round and group draws its own, or all groups of a parent have the one that is
    drawn for the run, some of its parts joined where there are fewer sub-models.
    """
    plan = spec.rounds[round]
    if spec.redraw:
        return _draw(spec, plan.n_submodels, round, group)
    lineage = next(i for i, groups in enumerate(plan.lineages) if group in groups)
    return first_partition(spec, lineage).joined(plan.n_submodels)


def first_partition(spec: RunSpec, lineage: int) -> Partition:
    """Divide one parent for the run, into as many parts as any round has."""
    return _draw(spec, max(plan.n_submodels for plan in spec.rounds), 0, lineage)


def first_values(spec: RunSpec, lineage: int) -> NDArray[np.float32]:
    """Draw what one parent starts from, (n_parameters,); each has a seed of its own.

    Where partitions are redrawn that is a whole network's. Else each sub-model starts as a network
    of its own would, and connections between them are 0: nothing trains them before their parts
    are joined.
    """
    network, table = spec.network, spec.network.parameters
    seed = derive_key(spec.seed, lineage) if lineage else spec.seed
    values = network.initial_values(seed)
    if spec.redraw:
        return values
    partition = first_partition(spec, lineage)
    values[partition.holders(table) == 0] = 0
    for submodel in range(partition.n_submodels):
        fractions = partition.fractions(submodel)
        scales = submodel_scales(network, fractions, spec.hidden_exponent)
        places = partition.slice_map(table, submodel)
        own = places.take(values)
        change = np.zeros_like(own)
        for layer, scale in scales.items():
            name = f"{layer}/W"
            source = str(table[name].axes[0])
            # A draw's deviation is 1/√(units that feed one), and the products are scaled besides.
            factor = fractions[source] ** -0.5 / scale
            places.table.view(change, name)[:] = (factor - 1) * places.table.view(own, name)
        places.put(change, values)
    return values


def _draw(spec: RunSpec, n_submodels: int, round: int, group: int) -> Partition:
    return Partition.draw(
        spec.network,
        n_submodels,
        spec.seed,
        round=round,
        group=group,
        concentration=spec.concentration,
    )
