"""Where ideas are tried that the library does not have: its rounds, in one process, with switches.

Everything here is made of the library's own parts. With no switch set, `train` gives the bits of
`dask_horn.train`; each switch changes one step of a round. What earned its place moved into the
library, and what did not stays here, so that the tables can be measured again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dask_horn as horn
from benchmarks.method.activations import (
    UnitStatistics,
    add_mean_field,
    pre_activations,
    recalibrate,
    unit_means,
)
from dask_horn.cluster import current_executor
from dask_horn.data import decoded
from dask_horn.kernels.opcodes import STEP
from dask_horn.network import Network, ParameterTable
from dask_horn.partition import Partition
from dask_horn.program import Execution, submodel_scales
from dask_horn.training import Known, TrainingOptions
from dask_horn.training.graph.stages import turned
from dask_horn.training.plan.prepare import make_spec, prepare_data
from dask_horn.training.plan.spec import OuterStep, RunSpec
from dask_horn.training.tasks.division import (
    first_partition,
    first_values,
    partition_of,
    steps_of,
)
from dask_horn.training.tasks.merge import (
    ARITY,
    PART_ARITY,
    ParentState,
    PartialSum,
    add_deltas,
    add_partial_sums,
    put_group,
    step_parent,
)
from dask_horn.training.tasks.submodel import (
    SubmodelReport,
    Trained,
    begin_round,
    take_steps,
)

__all__ = ["Result", "Variant", "train"]

_PROBE_ROWS = 1000  # rows on which means and variances are taken

Array = NDArray[np.float32]
Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What a run does differently from the library.

    Attributes
    ----------
    output_exponent : float
        a at the output layer.
    rate_exponent : float
        s: a sub-model trains ``c**(1 - s) W`` at scale ``c**s``, the same function; one step
        of SGD changes it by ``c**(2 s)``, one of AdamW by ``c**s`` times what the undivided
        network's would. 1 is the library.
    mean_field : bool
        Whether sub-models get, as constant biases, the means of what the dropped connections
        would have added in the parent.
    own_partitions : bool
        Whether partitions that are drawn once are each group's own, and not the same in all;
        connections that no group has start at 0 then.
    recalibrate : {"never", "end", "always"}
        When the parent's hidden units are given the means and standard deviations of their
        pre-activations that they had in the sub-models, by scaling columns and shifting biases.
    outer : {"fixed", "holders"}
        Whether the outer step is taken on all entries; or only on those with several holders, and
        plainly (η=1, μ=0) elsewhere.
    carry_state : bool
        Whether the optimizer's state is merged as the deltas are and starts the next round.
    rate_floor : float
        Share of the peak that the cosine descends to.
    decay : {"run", "ending"}
        Whether the cosine spans the run, or the rounds before the descent of K, and the ending
        goes down linearly from the floor to 0.
    average_last : int
        Parents of the last rounds that are averaged into the result; 0 or 1: the last one.
    """

    output_exponent: float = 1.0
    rate_exponent: float = 1.0
    mean_field: bool = False
    recalibrate: str = "never"
    outer: str = "fixed"
    carry_state: bool = False
    rate_floor: float = 0.0
    decay: str = "run"
    average_last: int = 0
    own_partitions: bool = False


@dataclass(frozen=True)
class Result:
    """A laboratory run: the model, what each round scored, and the parent's state of tune.

    Attributes
    ----------
    model : Model
    tune : dict of str to list of float
        For each hidden layer, after the last round of more than one sub-model: the deviation of
        a unit's pre-activation in the merged parent over that in its sub-model, and the
        difference of its means, parent less sub-model, in units of the latter's deviation;
        medians over the units.
    """

    model: horn.Model
    tune: dict[str, list[float]] = field(default_factory=dict)


def train(
    network: Network,
    X: Any,
    y: Any,
    *,
    variant: Variant | None = None,
    watch: Callable[[horn.Model], Any] | None = None,
    **settings: Any,
) -> Result:
    """Train as `dask_horn.train` does, but for the variant's switches."""
    variant = variant or Variant()
    options = TrainingOptions.of(**settings)
    executor = current_executor()
    with executor.running(()):
        data = prepare_data(network, X, y, None, options, Known(), executor, None)
        spec = make_spec(network, data, options, Known())
    return _Laboratory(spec, variant, watch).run()


class _Laboratory:
    """One run, round after round, in this process."""

    def __init__(
        self,
        spec: RunSpec,
        variant: Variant,
        watch: Callable[[horn.Model], Any] | None,
    ) -> None:
        self.spec, self.variant, self.watch = spec, variant, watch
        self.table = spec.network.parameters
        self.probe = _probe_samples(spec)
        self.state: list[Array] = [
            np.zeros(self.table.size, np.float32)
            for _ in range(spec.optimizer.n_state_vectors if variant.carry_state else 0)
        ]
        self.steps_done = 0
        self.tune: dict[str, list[float]] = {}

    def run(self) -> Result:
        spec, variant = self.spec, self.variant
        parent = ParentState.start(self._initial_values())
        last: list[Array] = []
        n_rounds = len(spec.rounds)
        for round in range(n_rounds):
            parent = self._round(parent, round)
            is_last = round == n_rounds - 1
            if variant.average_last > 1 and round >= n_rounds - variant.average_last:
                last.append(parent.parameters)
            if is_last and last:
                parent = dataclasses.replace(parent, parameters=np.mean(last, axis=0))
            if self.watch is not None:
                self.watch(self._model(parent))
        return Result(self._model(parent), self.tune)

    def _model(self, parent: ParentState) -> horn.Model:
        spec = self.spec
        return horn.Model(spec.network, parent.parameters, spec.standardizer, spec.targets)

    def _round(self, parent: ParentState, round: int) -> ParentState:
        spec = self.spec
        partitions = [self._partition(round, group) for group in range(spec.rounds[round].n_groups)]
        means = unit_means(spec.network, self.table.as_dict(parent.parameters), self.probe)
        states = [_Sum(self.table) for _ in self.state]
        statistics = UnitStatistics()
        found: list[list[Trained]] = []
        for group, partition in enumerate(partitions):
            trained = []
            for submodel in range(partition.n_submodels):
                part = self._train(parent, partition, means, round, group, submodel)
                trained.append(part.trained)
                places = partition.slice_map(self.table, submodel)
                for merged, own in zip(states, part.state, strict=True):
                    places.put(own, merged.total, part.trained.report.samples)
                    places.count(merged.count, part.trained.report.samples)
                if self._recalibrates(round) or self._looks(round):
                    statistics.add(self._network_sums(part), partition.index_sets(submodel))
            found.append(trained)
        merged = self._outer_step(parent, self._added_up(found, partitions), partitions, round)
        for vector, sum_of in zip(self.state, states, strict=True):
            held = sum_of.count > 0
            vector[held] = sum_of.total[held] / sum_of.count[held]
        self.steps_done += max(spec.rounds[round].steps)
        if self._looks(round):
            self.tune = self._compare(merged, statistics)
        if self._recalibrates(round):
            parameters = merged.parameters.copy()
            recalibrate(spec.network, self.table.as_dict(parameters), self.probe, statistics)
            merged = dataclasses.replace(merged, parameters=parameters)
        return merged

    def _added_up(
        self, found: Sequence[Sequence[Trained]], partitions: Sequence[Partition]
    ) -> PartialSum:
        """Add up all deltas in the library's order, on which their last bits depend."""
        if self.spec.redraw or self.variant.own_partitions:
            sums = [
                put_group(self.table, partition, trained)
                for partition, trained in zip(partitions, found, strict=True)
            ]
            while len(sums) > 1:
                sums = [add_partial_sums(sums[i : i + ARITY]) for i in range(0, len(sums), ARITY)]
            return sums[0]
        total = np.zeros(self.table.size, np.float32)
        reports: list[SubmodelReport] = []
        for submodel, own in enumerate(zip(*found, strict=True)):  # a part stays by itself there
            some: list[Trained | PartialSum] = list(turned(own, submodel))
            while len(some) > PART_ARITY:
                starts = range(0, len(some), PART_ARITY)
                some = [add_deltas(some[i : i + PART_ARITY]) for i in starts]
            added = add_deltas(some)
            partitions[0].slice_map(self.table, submodel).put(added.total, total)
            reports.extend(added.reports)
        return PartialSum(total, tuple(reports))

    def _partition(self, round: int, group: int) -> Partition:
        if not self.variant.own_partitions:
            return partition_of(self.spec, round, group)
        plan, n_groups = self.spec.rounds[round], self.spec.rounds[0].n_groups
        own = first_partition(self.spec, group * n_groups // plan.n_groups)
        return own.joined(plan.n_submodels)

    def _initial_values(self) -> Array:
        """Draw initial values with the connections that some group has."""
        if not self.variant.own_partitions:
            return first_values(self.spec, 0)
        n_groups = self.spec.rounds[0].n_groups
        holders = sum(self._partition(0, group).holders(self.table) for group in range(n_groups))
        return np.where(holders, self.spec.network.initial_values(self.spec.seed), np.float32(0))

    def _recalibrates(self, round: int) -> bool:
        when = self.variant.recalibrate
        return when == "always" or (when == "end" and round == len(self.spec.rounds) - 1)

    @property
    def _numbers(self) -> list[int]:
        return [plan.n_submodels for plan in self.spec.rounds]

    def _looks(self, round: int) -> bool:
        """Whether this is the last round that is divided."""
        numbers = self._numbers
        return numbers[round] > 1 and max(numbers[round + 1 :], default=1) == 1

    def _compare(self, merged: ParentState, statistics: UnitStatistics) -> dict[str, list[float]]:
        """Hold the parent's pre-activations against its sub-models'."""
        tensors = self.table.as_dict(merged.parameters)
        sums = pre_activations(self.spec.network, tensors, self.probe)
        found = {}
        for layer in statistics.seen:
            z = sums[layer]
            mean, deviation = statistics.of(layer, z.shape[1])
            deviation = np.maximum(deviation, 1e-6)
            ratio = float(np.median(z.std(axis=0) / deviation))
            shift = float(np.median((z.mean(axis=0) - mean) / deviation))
            found[layer] = [float(np.round(ratio, 3)), float(np.round(shift, 3))]
        return found

    def _train(
        self,
        parent: ParentState,
        partition: Partition,
        means: Tensors,
        round: int,
        group: int,
        submodel: int,
    ) -> _Part:
        """Train one sub-model: its slice, rescaled and shifted as the variant wants, and back."""
        spec, variant = self.spec, self.variant
        places = partition.slice_map(self.table, submodel)
        fractions = partition.fractions(submodel)
        scales = submodel_scales(spec.network, fractions, spec.hidden_exponent)
        output = _last_weight(self.table)
        if output in scales:  # a = 1 there, in the library
            scales[output] **= variant.output_exponent
        start = places.take(parent.parameters)
        if variant.mean_field:
            units = partition.index_sets(submodel)
            add_mean_field(places.table.as_dict(start), self.table, parent, means, units, scales)
        factors = np.ones(places.table.size, np.float32)
        for name, scale in scales.items():
            places.table.view(factors, name)[:] = scale ** (1 - variant.rate_exponent)
        trained_scales = {name: c**variant.rate_exponent for name, c in scales.items()}
        begin = begin_round(
            spec, start * factors, partition, trained_scales, round, group, submodel
        )
        state = self._begin_state(begin, places)
        rates = self._rates(round, steps_of(spec, partition, round, group, submodel))
        loss, samples = take_steps(spec, begin, rates, round, group, submodel)
        delta = begin.parameters / factors - start
        report = SubmodelReport(group, submodel, loss, samples, 0.0, 0, 0)
        own = [vector.copy() for vector in state]
        return _Part(Trained(delta, report), own, places.table, start + delta, scales)

    def _rates(self, round: int, n_steps: int) -> NDArray[np.float64]:
        floor, numbers = self.variant.rate_floor, self._numbers
        spec, first = self.spec, numbers.count(max(numbers))
        if self.variant.decay == "ending" and round >= first:
            left = len(numbers) - round - np.arange(n_steps) / n_steps
            flat = dataclasses.replace(spec.schedule, name="constant")
            spec = dataclasses.replace(spec, schedule=flat)
            return floor * spec.rates(round, n_steps) * left / (len(numbers) - first)
        if self.variant.decay == "ending":
            shorter = dataclasses.replace(spec.schedule, n_rounds=first)
            spec = dataclasses.replace(spec, schedule=shorter)
        rates = spec.rates(round, n_steps)
        if not floor:
            return rates
        peak = spec.schedule.peak * spec.rounds[round].rate_factor
        return floor * peak + (1 - floor) * rates

    def _begin_state(self, execution: Execution, places: Any) -> list[Array]:
        """Views of the optimizer's state in the arena, filled with what the parent carries."""
        if not self.state:
            return []
        program = execution.program
        vectors = [execution._arena[at : at + program.n_parameters] for at in program.states]
        for vector, carried in zip(vectors, self.state, strict=True):
            vector[:] = places.take(carried)
        execution._counters[STEP] = self.steps_done
        return vectors

    def _outer_step(
        self,
        parent: ParentState,
        partial: PartialSum,
        partitions: Sequence[Partition],
        round: int,
    ) -> ParentState:
        plan, plain = self.spec.rounds[round], OuterStep(1.0, 0.0)
        step = plan.outer_step
        rule = self.variant.outer
        merged = step_parent(self.table, parent, partial, partitions, step)
        if rule != "holders":
            return merged
        count = sum(partition.holders(self.table) for partition in partitions)
        alone = step_parent(self.table, parent, partial, partitions, plain)
        one = np.asarray(count <= 1)
        return dataclasses.replace(
            merged,
            parameters=np.where(one, alone.parameters, merged.parameters),
            momentum=np.where(one, 0, merged.momentum),
        )

    def _network_sums(self, part: _Part) -> dict[str, NDArray[np.float64]]:
        """Pre-activations of every hidden layer in a trained sub-model, on the probe's rows."""
        return pre_activations(
            self.spec.network, part.table.as_dict(part.parameters), self.probe, part.scales
        )


@dataclass(frozen=True)
class _Part:
    """A trained sub-model: for the merge, its state, and what it is to be looked at."""

    trained: Trained
    state: list[Array]
    table: ParameterTable
    parameters: Array
    scales: Mapping[str, float]


class _Sum:
    """A weighted sum over holders, and its weights, in the parent's layout."""

    def __init__(self, table: ParameterTable) -> None:
        self.total = np.zeros(table.size, np.float32)
        self.count = np.zeros(table.size, np.float32)


def _last_weight(table: ParameterTable) -> str:
    """Return the name of the output layer's weight: what scales go by."""
    return next(tensor.name for tensor in reversed(table.tensors) if tensor.source is not None)


def _probe_samples(spec: RunSpec) -> NDArray[np.float64]:
    """The first rows of training, standardized."""
    rows: list[NDArray[Any]] = []
    for block in spec.rounds[0].group_blocks[0]:
        x = decoded(spec.run, spec.samples, block, None).x
        rows.append((x - spec.standardizer.mean) / spec.standardizer.scale)
        if sum(map(len, rows)) >= _PROBE_ROWS:
            break
    return np.concatenate(rows)[:_PROBE_ROWS].astype(np.float32)
