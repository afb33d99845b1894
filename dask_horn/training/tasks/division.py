"""How the parents of a run are divided, and what their sub-models start from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from dask_horn.network import TensorSpec, spread
from dask_horn.partition import Partition
from dask_horn.program import submodel_scales
from dask_horn.records import SubmodelId
from dask_horn.training.plan.spec import RunSpec

_MOST_STEPS = 2.0  # times those of a mean part, for the smallest; and a half at least


_KEPT = 64  # partitions of a run: rounds and groups that draw their own have many
_kept: WeakKeyDictionary[RunSpec, dict[tuple[int, ...], Partition]] = WeakKeyDictionary()


def partition_of(spec: RunSpec, round: int, group: int) -> Partition:
    """Divide one group's copy for one round: a pure function of its arguments.

    It follows from the seed and never travels; a worker keeps the last ones of a run, and with
    them the slice maps. Either every round and group draws its own, or all groups of a parent
    have the one that is drawn for the run, some of its parts joined where there are fewer
    sub-models.
    """
    plan = spec.rounds[round]
    if spec.redraw:
        return _keeping(spec, (round, group), lambda: _draw(spec, plan.n_submodels, round, group))
    member = next(i for i, groups in enumerate(plan.groups_of) if group in groups)
    return member_partition(spec, round, member)


def member_partition(spec: RunSpec, round: int, member: int) -> Partition:
    """Divide one parent for one round, where all of its groups have the same partition."""
    numbers = [plan.n_submodels for plan in spec.rounds[: round + 1]]

    def join() -> Partition:
        partition = first_partition(spec, member)
        for number in numbers:  # step by step: no part is ever cut again
            partition = partition.joined(number)
        return partition

    return _keeping(spec, (member, *dict.fromkeys(numbers)), join)


def first_partition(spec: RunSpec, member: int) -> Partition:
    """Divide one parent for the run, into as many parts as any round has."""
    return _draw(spec, max(plan.n_submodels for plan in spec.rounds), 0, member)


def _keeping(spec: RunSpec, key: tuple[int, ...], divide: Callable[[], Partition]) -> Partition:
    """Return a partition that is kept, or find it and keep it, for as long as the spec lives."""
    kept = _kept.setdefault(spec, {})
    found = kept.get(key)
    if found is None:
        if len(kept) >= max(_KEPT, 2 * spec.rounds[-1].n_groups):  # never within one merge
            kept.clear()
        found = kept[key] = divide()
    return found


def steps_of(spec: RunSpec, partition: Partition, which: SubmodelId) -> int:
    """Return a sub-model's steps: the larger its part the fewer, so that all take equally long.

    A worker would else wait for the largest part at the end of each round. A step takes about as
    long as the sub-model has weights; the mean part takes the round's number of steps, and what is
    computed in all is the same. The merge weighs by the samples seen. Sizes alone decide, never a
    worker's speed, so the result is the same wherever it is computed.
    """
    n_parts = partition.n_submodels
    weights = [_weights(spec, partition.fractions(part)) for part in range(n_parts)]
    factor = sum(weights) / n_parts / weights[which.submodel]
    factor = min(max(factor, 1 / _MOST_STEPS), _MOST_STEPS)
    return max(1, int(spec.rounds[which.round].steps[which.group] * factor + 0.5))


def _weights(spec: RunSpec, fractions: Mapping[str, float]) -> float:
    """Multiplications by a sub-model that has these shares of the unit axes, for one sample."""
    return sum(
        tensor.uses * tensor.size * math.prod(fractions.get(str(axis), 1.0) for axis in tensor.axes)
        for tensor in spec.network.parameters.tensors
    )


def largest_sizes(spec: RunSpec, round: int) -> dict[str, int]:
    """Return the most units that a sub-model of a round has, of each divided axis."""
    network, plan = spec.network, spec.rounds[round]
    if plan.n_submodels == 1:
        return {axis: network.unit_axes[axis] for axis in network.divided_axes}
    if spec.redraw:
        partitions = [partition_of(spec, round, group) for group in range(plan.n_groups)]
    else:
        partitions = [member_partition(spec, round, m) for m in range(spec.n_parents)]
    return {
        axis: max(int(partition.sizes(axis).max()) for partition in partitions)
        for axis in network.divided_axes
    }


def first_values(spec: RunSpec, member: int) -> NDArray[np.float32]:
    """Draw what one parent starts from, (n_parameters,); each has a seed of its own.

    Where partitions are redrawn that is a whole network's. Else each sub-model starts as a network
    of its own would, and connections between them are 0: nothing trains them before their parts
    are joined. What was measured on samples is the same for all parents.
    """
    network, table = spec.network, spec.network.parameters
    values = network.initial_values(spec.seed, member)
    for name, own in spec.measured.items():
        table.view(values, name)[...] = own
    partition = first_partition(spec, member)
    if spec.redraw or partition.n_submodels == 1:
        return values
    values[partition.holders(table) == 0] = 0
    for submodel in range(partition.n_submodels):
        fractions = partition.fractions(submodel)
        scales = submodel_scales(network, fractions, spec.hidden_exponent)
        places = partition.slice_map(table, submodel)
        own = places.take(values)
        change = np.zeros_like(own)
        for tensor in places.table.tensors:
            if tensor.source is not None:
                factor = _own_spread(tensor, fractions) / scales.get(tensor.name, 1.0)
                drawn = places.table.view(own, tensor.name)
                places.table.view(change, tensor.name)[:] = (factor - 1) * drawn
        places.put(change, values)
    return values


def _own_spread(tensor: TensorSpec, fractions: Mapping[str, float]) -> float:
    """Spread of a sub-model's own initial values, over that of a slice of the parent's."""
    inputs, outputs = (fractions.get(str(axis), 1.0) for axis in (tensor.source, tensor.axes[-1]))
    fan_in, fan_out = tensor.fan_in, tensor.fan_out
    own = spread(tensor.activation, inputs * fan_in, outputs * fan_out)
    return own / spread(tensor.activation, fan_in, fan_out)


def _draw(spec: RunSpec, n_submodels: int, round: int, group: int) -> Partition:
    return Partition.draw(
        spec.network,
        n_submodels,
        spec.seed,
        round=round,
        group=group,
        concentration=spec.concentration,
    )
