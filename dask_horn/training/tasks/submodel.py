"""The pure task: train sub-models on their groups' rows, each alone, for one round."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dask_horn.data import Block, decoded_row_bytes, window_spans, windows
from dask_horn.errors import DivergedError
from dask_horn.kernels.device import Machine, Steps, Window, device
from dask_horn.kernels.program import Program
from dask_horn.kernels.random import derive_key, shuffled
from dask_horn.partition import Partition
from dask_horn.program import submodel_scales, training_program
from dask_horn.records import SubmodelId, SubmodelReport
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.plan.steps import batch_starts, count_rows
from dask_horn.training.tasks.division import steps_of

__all__ = ["Trained", "train_submodels"]

# Set apart the random streams that one (seed, round, group) has.
_BLOCK_ORDER, _ROW_ORDER, _MASKS = 1, 2, 3


@dataclass(frozen=True, eq=False)
class Trained:
    """A sub-model after its round: the delta, (n_slice,) float32, and its report."""

    delta: NDArray[np.float32]
    report: SubmodelReport

    def __sizeof__(self) -> int:  # what Dask takes its size for
        return int(self.delta.nbytes)

    def counted(self, bytes_to_worker: int, bytes_from_worker: int) -> Trained:
        """Return the same with the bytes that travelled in its report."""
        counts = {"bytes_to_worker": bytes_to_worker, "bytes_from_worker": bytes_from_worker}
        return Trained(self.delta, replace(self.report, **counts))


def train_submodels(
    spec: RunSpec,
    starts: Sequence[NDArray[np.float32]],
    partitions: Sequence[Partition],
    ids: Sequence[SubmodelId],
) -> list[Trained]:
    """Train sub-models, usually one, for one round.

    Parameters
    ----------
    spec : RunSpec
    starts : sequence of ndarray of float32
        Each one's slice of the parent; they are not changed.
    partitions : sequence of Partition
        What each was cut by.
    ids : sequence of SubmodelId

    Raises
    ------
    DivergedError
        If a loss is not finite, or a delta is beyond what the merge can add up.
    """
    began = time.perf_counter()
    given = list(zip(partitions, ids, strict=True))
    programs = [_program(spec, partition, which.submodel) for partition, which in given]
    machine = device(spec.device).machine(programs, spec.standardizer)
    machine.load(starts, [derive_key(spec.seed, *which, _MASKS) for which in ids])
    trainings = [_Training.begin(spec, partition, which) for partition, which in given]
    _take_steps(spec, machine, trainings)
    ends = zip(trainings, starts, machine.parameters(), strict=True)
    deltas = [own.checked(spec, end - start) for own, start, end in ends]
    seconds = (time.perf_counter() - began) / len(ids)
    return [
        Trained(delta, own.report(delta.nbytes, seconds))
        for own, delta in zip(trainings, deltas, strict=True)
    ]


@dataclass(eq=False)
class _Training:
    """How far a sub-model's training is.

    Attributes
    ----------
    which : SubmodelId
    rates : ndarray of float64, (n_steps,)
    plan : iterator
        Rows of each window that is still to come, and where its batches begin.
    losses : ndarray of float64, (n_steps,)
        Of the steps that are done.
    done, samples, windows : int
        Steps that are done, samples seen, and windows.
    """

    which: SubmodelId
    rates: NDArray[np.float64]
    plan: Iterator[tuple[int, NDArray[np.int64]]]
    losses: NDArray[np.float64]
    done: int = 0
    samples: int = 0
    windows: int = 0

    @classmethod
    def begin(cls, spec: RunSpec, partition: Partition, which: SubmodelId) -> _Training:
        """Plan all steps of the round."""
        rates = spec.rates(which.round, steps_of(spec, partition, *which))
        spans = _plan(spec, rates.size, which.round, which.group)
        plan = ((count_rows(span), starts) for span, starts in spans)
        return cls(which, rates, plan, np.empty(rates.size))

    @property
    def is_done(self) -> bool:
        """Whether all steps are done."""
        return self.done == self.rates.size

    def steps(self, spec: RunSpec, window: int) -> Steps:
        """Return the steps with the next window, the rows in an order of the sub-model's own."""
        if self.is_done:
            return Steps.without_rates(np.arange(0), np.zeros(1, np.int64), window)
        n_rows, starts = next(self.plan)
        key = derive_key(spec.seed, *self.which, self.windows, _ROW_ORDER)
        rates = self.rates[self.done : self.done + starts.size - 1]
        self.windows += 1
        self.samples += int(starts[-1])
        return Steps(shuffled(key, n_rows), starts, rates, window)

    def note(self, spec: RunSpec, losses: NDArray[np.float64]) -> None:
        """Keep the losses of the steps that were just done."""
        if losses.size and not math.isfinite(losses[-1]):
            raise self._diverged(spec, f"the loss was {losses[-1]}", self.done + losses.size)
        self.losses[self.done : self.done + losses.size] = losses
        self.done += losses.size

    def checked(self, spec: RunSpec, delta: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the delta, if the merge can add it up."""
        largest = max(float(delta.max()), -float(delta.min()))  # no array of absolute values
        if not largest * self.samples < np.finfo(np.float32).max:  # no loss has seen the last step
            raise self._diverged(spec, f"a parameter had changed by {largest:g}", self.done)
        return delta

    def report(self, n_bytes: int, seconds: float) -> SubmodelReport:
        """Sum the training up."""
        return SubmodelReport(
            group=self.which.group,
            submodel=self.which.submodel,
            loss=float(self.losses.mean()),
            samples=self.samples,
            seconds=seconds,
            bytes_to_worker=n_bytes,
            bytes_from_worker=n_bytes,
        )

    def _diverged(self, spec: RunSpec, what: str, step: int) -> DivergedError:
        round, group, submodel = self.which
        return DivergedError(
            f"{what} in round {round + 1}, group {group}, sub-model {submodel}, step {step}; use a "
            f"learning_rate below {spec.schedule.peak:g}"
        )


def _take_steps(spec: RunSpec, machine: Machine, trainings: Sequence[_Training]) -> None:
    """Do all steps, window by window; the sub-models of a group take the same ones."""
    most: dict[tuple[int, int], int] = {}  # steps of any sub-model of a round and group
    for own in trainings:
        place = own.which.round, own.which.group
        most[place] = max(own.rates.size, most.get(place, 0))
    number = {place: i for i, place in enumerate(most)}
    with contextlib.ExitStack() as stack:
        # Closed at once, also by an error: a thread is reading the next window.
        streams = [
            stack.enter_context(contextlib.closing(_windows(spec, n_steps, *place)))
            for place, n_steps in most.items()
        ]
        while not all(own.is_done for own in trainings):
            staged = machine.stage([next(stream, Window(())) for stream in streams])
            steps = [own.steps(spec, number[own.which[:2]]) for own in trainings]
            for own, losses in zip(trainings, machine.run(staged, steps), strict=True):
                own.note(spec, losses)


def _program(spec: RunSpec, partition: Partition, submodel: int) -> Program:
    """Write the program of one sub-model."""
    sizes = {axis: len(units) for axis, units in partition.index_sets(submodel).items()}
    return training_program(
        spec.network,
        spec.network.parameters.restrict(sizes),
        submodel_scales(spec.network, partition.fractions(submodel), spec.hidden_exponent),
        device=device(spec.device),
        batch_size=spec.batch_size,
        sample_dtype=spec.samples.decoded_dtype,
        optimizer=spec.optimizer,
        class_weights=spec.class_weights,
    )


def _windows(spec: RunSpec, n_steps: int, round: int, group: int) -> Generator[Window, None, None]:
    """Windows of blocks for that many steps.

    Blocks come in the same order for all sub-models of a group, so that a chunk is decoded once
    on each worker.
    """
    spans = (span for span, _ in _plan(spec, n_steps, round, group))
    for blocks in windows(spec.run, spec.samples, spans, spec.targets):
        yield Window(
            samples=[block.x for block in blocks],
            targets=[block.y for block in blocks if block.y is not None],
        )


def _plan(
    spec: RunSpec, n_steps: int, round: int, group: int
) -> Iterator[tuple[tuple[Block, ...], NDArray[np.int64]]]:
    """Pass after pass over the group's blocks: each window, and where its batches begin.

    The last window has only as many of its blocks as its steps need: what nobody trains on is
    not read.
    """
    blocks = spec.rounds[round].group_blocks[group]
    row_bytes = decoded_row_bytes(spec.samples, spec.targets)
    for epoch in itertools.count():
        key = derive_key(spec.seed, round, group, epoch, _BLOCK_ORDER)
        order = shuffled(key, len(blocks))
        for span in window_spans([blocks[i] for i in order], row_bytes):
            starts = batch_starts(count_rows(span), spec.batch_size)[: n_steps + 1]
            yield _first_blocks(span, int(starts[-1])), starts
            n_steps -= starts.size - 1
            if n_steps == 0:
                return


def _first_blocks(span: tuple[Block, ...], n_rows: int) -> tuple[Block, ...]:
    """Return the fewest first blocks that have that many rows together."""
    ends = itertools.accumulate(len(block) for block in span)
    return span[: 1 + sum(end < n_rows for end in ends)]
