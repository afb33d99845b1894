"""The tasks of the training graph: thin, pure, and none changes what it is given."""

from __future__ import annotations

from dataclasses import replace

from dask_horn.data import Block
from dask_horn.records import RoundReport, Score, SubmodelId
from dask_horn.training.plan.merge_rules import MERGE_RULES
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.tasks.division import first_values, member_partition, partition_of
from dask_horn.training.tasks.evaluate import score_blocks
from dask_horn.training.tasks.merge import Merge, PartialSum, Share, add_partial_sums
from dask_horn.training.tasks.states import Part, Slice, Whole
from dask_horn.training.tasks.statistics import population_of
from dask_horn.training.tasks.submodel import Trained, train_submodels
from dask_horn.training.tasks.told import told


def initial_parent(spec: RunSpec, member: int) -> Whole:
    """Draw the initial values; each member of an ensemble has its own."""
    return Whole.start(first_values(spec, member), MERGE_RULES[spec.merge_rule].n_states)


def measure_population(spec: RunSpec, parent: Whole, member: int) -> Whole:
    """Measure what a whole parent predicts with, unless that is known."""
    if parent.statistics is not None:
        return parent
    return replace(parent, statistics=population_of(spec, member, parent.parameters))


def train_slice(
    spec: RunSpec, start: Slice, which: SubmodelId, device: str, arrives: bool, leaves: bool
) -> Trained:
    """Train a sub-model for a round on a device.

    The flags tell whether its start `arrives` from another worker, and whether its delta `leaves`
    for one: bytes that travel are counted.
    """
    (trained,) = train_submodels(spec, [start.parameters], [which], device)
    return trained.counted(start.parameters.nbytes * arrives, trained.delta.nbytes * leaves)


def gather_slices(slices: list[Slice]) -> list[Slice]:
    """Bring what a task of many starts from to one worker."""
    return slices


def train_slices(
    spec: RunSpec, starts: list[Slice], ids: tuple[SubmodelId, ...], device: str
) -> list[Trained]:
    """Train sub-models, of any groups and parents, for a round on a device."""
    return train_submodels(spec, [start.parameters for start in starts], ids, device)


def one_of(trained: list[Trained], number: int, arrives: bool, leaves: bool) -> Trained:
    """Pick one sub-model's training out of a task of many; the flags are as in `train_slice`."""
    one = trained[number]
    return one.counted(one.delta.nbytes * arrives, one.delta.nbytes * leaves)


# Where all groups of a parent have one partition.


def cut_part(spec: RunSpec, parent: Whole, round: int, member: int, submodel: int) -> Part:
    """Cut the part that is to stay with a sub-model out of its parent."""
    return _merge(spec, round).take_part(parent, member_partition(spec, round, member), submodel)


def slice_of(part: Part) -> Slice:
    """Leave the outer step's states, which training does not need, where they are."""
    return Slice(part.parameters)


def sum_deltas(spec: RunSpec, round: int, found: list[Trained | PartialSum]) -> PartialSum:
    """Add up some groups' deltas of one sub-model."""
    with told(spec.run, "merge", round):
        return _merge(spec, round).add_deltas(found)


def share_deltas(
    spec: RunSpec, round: int, member: int, submodel: int, found: list[Trained | PartialSum]
) -> Share:
    """Tell what a sub-model adds to what all of them hold."""
    partition = member_partition(spec, round, member)
    with told(spec.run, "merge", round):
        return _merge(spec, round).share_of(partition, submodel, found)


def next_part(
    spec: RunSpec,
    part: Part,
    member: int,
    submodel: int,
    found: list[Trained | PartialSum],
    shares: list[Share],
) -> Part:
    """Merge this round's deltas into a part."""
    partition = member_partition(spec, part.round, member)
    table = partition.table_of(spec.network.parameters, submodel)
    with told(spec.run, "merge", part.round):
        return _merge(spec, part.round).step_part(part, table, found, shares)


def whole_parent(spec: RunSpec, member: int, parts: list[Part]) -> Whole:
    """Put the parts together that the last round has trained."""
    last = parts[0].round - 1
    with told(spec.run, "merge", last):
        return _merge(spec, last).join_parts(member_partition(spec, last, member), parts)


# Where each group draws a partition of its own.


def cut_slice(spec: RunSpec, parent: Whole, which: SubmodelId) -> Slice:
    """Cut a sub-model out of the parent."""
    partition = partition_of(spec, which.round, which.group)
    places = partition.slice_map(spec.network.parameters, which.submodel)
    return Slice(places.take(parent.parameters))


def put_slices(spec: RunSpec, round: int, group: int, trained: list[Trained]) -> PartialSum:
    """Put a group's deltas into its partial sum."""
    with told(spec.run, "merge", round):
        return _merge(spec, round).put_group(partition_of(spec, round, group), trained)


def sum_groups(spec: RunSpec, round: int, sums: list[PartialSum]) -> PartialSum:
    """Add up some groups' partial sums."""
    with told(spec.run, "merge", round):
        return add_partial_sums(sums)


def next_parent(spec: RunSpec, parent: Whole, partial_sum: PartialSum, round: int) -> Whole:
    """Merge the deltas of all groups that have arrived into the parent."""
    groups = {report.group for report in partial_sum.reports}
    partitions = {group: partition_of(spec, round, group) for group in groups}
    with told(spec.run, "merge", round):
        return _merge(spec, round).step_whole(parent, partial_sum, partitions)


def evaluate_blocks(spec: RunSpec, blocks: tuple[Block, ...], *parents: Whole) -> Score:
    """Score the parent, or the ensemble of all parents, on some validation rows."""
    with told(spec.run, "score", parents[0].round - 1):
        return score_blocks(spec, blocks, parents)


def collect_report(
    spec: RunSpec, round: int, score: Score | None, *tellers: Whole | Share
) -> RoundReport:
    """Keep what the client wants to know of a round, and leave the parameters behind."""
    plan = spec.rounds[round]
    reports = [report for teller in tellers for report in teller.reports]
    reports.sort(key=lambda report: (report.group, report.submodel))
    return RoundReport(round, plan.n_groups, plan.n_submodels, tuple(reports), score)


def _merge(spec: RunSpec, round: int) -> Merge:
    return Merge(
        table=spec.network.parameters,
        shared=spec.network.shared_tensors,
        rule=MERGE_RULES[spec.merge_rule],
        settings=spec.rounds[round].outer_step,
    )
