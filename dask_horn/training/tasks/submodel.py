"""The pure task: train sub-models on their groups' rows, each alone, for one round."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dask_horn.cluster import here
from dask_horn.data import Block, decoded_row_bytes, window_spans, windows
from dask_horn.errors import DivergedError
from dask_horn.kernels.device import BlockName, Device, Machine, Pending, Steps, Window
from dask_horn.kernels.device import device as device_of
from dask_horn.kernels.program import Program
from dask_horn.kernels.random import shuffled
from dask_horn.partition import Partition
from dask_horn.program import submodel_scales, training_program
from dask_horn.randomness import Purpose, key
from dask_horn.records import SubmodelId, SubmodelProgress, SubmodelReport, beat, tell
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.plan.steps import batch_starts, count_rows
from dask_horn.training.tasks.alone import alone_on
from dask_horn.training.tasks.division import partition_of, steps_of

_TELL_EVERY = 0.5  # seconds: more often nobody could look
_TOLD_A_SECOND = 200  # by all sub-models together: one scheduler passes it on


@dataclass(frozen=True, eq=False)
class Trained:
    """A sub-model after its round: the delta, (n_slice,) float32, and its report."""

    delta: NDArray[np.float32]
    report: SubmodelReport

    def __sizeof__(self) -> int:  # what Dask takes its size for
        return int(self.delta.nbytes)

    def counted(self, bytes_to_worker: int, bytes_from_worker: int) -> Trained:
        """Return the same with the bytes that travelled in its report."""
        report = replace(
            self.report, bytes_to_worker=bytes_to_worker, bytes_from_worker=bytes_from_worker
        )
        return Trained(self.delta, report)


def train_submodels(
    spec: RunSpec, starts: Sequence[NDArray[np.float32]], ids: Sequence[SubmodelId], device: str
) -> list[Trained]:
    """Train sub-models for one round, together on the device of that name.

    What one becomes does not depend on which others there are. `starts` are their slices of the
    parent, which are not changed.

    Raises
    ------
    DivergedError
        If a loss is not finite, or a delta is beyond what the merge can add up.
    """
    own = device_of(device)
    with alone_on(own):
        return _trained(spec, starts, ids, own)


def _trained(
    spec: RunSpec, starts: Sequence[NDArray[np.float32]], ids: Sequence[SubmodelId], own: Device
) -> list[Trained]:
    """Train them, in a function of its own: when it returns the device's memory is free."""
    began, started = time.perf_counter(), time.time()
    trainings = [_Training.plan(spec, which) for which in ids]
    programs: dict[tuple[tuple[str, float], ...], Program] = {}  # one for all of a size
    for one in trainings:
        if one.shares not in programs:
            programs[one.shares] = one.program(own)
    machine = own.machine(
        [programs[one.shares] for one in trainings], spec.standardizer.scaling, spec.precision
    )
    machine.load(starts, [key(spec.seed, Purpose.MASKS, *which) for which in ids])
    _take_steps(spec, machine, trainings)
    ends = machine.parameters()
    seconds = (time.perf_counter() - began) / len(ids)
    return [
        training.finished(end - start, started + number * seconds, seconds, len(ids))
        for number, (training, end, start) in enumerate(zip(trainings, ends, starts, strict=True))
    ]


@dataclass(eq=False)
class _Training:
    """One sub-model in its round.

    Attributes
    ----------
    spec : RunSpec
    which : SubmodelId
    partition : Partition
        Of its group.
    rates : ndarray of float64, (n_steps,)
    losses : list of ndarray of float64
        Of the steps that are done, by window.
    samples : int
        Seen so far.
    told : int
        Of the losses, those of how many windows have been told.
    began, told_at : float
        When it began and when it last told how it gets on, in seconds.
    """

    spec: RunSpec
    which: SubmodelId
    partition: Partition
    rates: NDArray[np.float64]
    losses: list[NDArray[np.float64]] = field(default_factory=list)
    samples: int = 0
    told: int = 0
    began: float = field(default_factory=time.perf_counter)
    told_at: float = field(default_factory=time.perf_counter)

    @classmethod
    def plan(cls, spec: RunSpec, which: SubmodelId) -> _Training:
        """Find out what it holds and how many steps it takes."""
        partition = partition_of(spec, which.round, which.group)
        rates = spec.rates(which.round, steps_of(spec, partition, which))
        return cls(spec, which, partition, rates)

    @property
    def shares(self) -> tuple[tuple[str, float], ...]:
        """Its share of each divided axis: all that its program depends on."""
        return tuple(self.partition.fractions(self.which.submodel).items())

    def program(self, device: Device) -> Program:
        """Write its program for a device."""
        spec, submodel = self.spec, self.which.submodel
        return training_program(
            spec.network,
            self.partition.table_of(spec.network.parameters, submodel),
            submodel_scales(spec.network, dict(self.shares), spec.hidden_exponent),
            device=device,
            batch_size=spec.batch_size,
            sample_dtype=spec.samples.decoded_dtype,
            optimizer=spec.optimizer_in(self.which.round),
            class_weights=spec.class_weights,
        )

    def steps(self, window: int) -> Iterator[Steps]:
        """Yield its steps in each window of its group, which is staged at the place `window`.

        Blocks come in one order for all sub-models of a group, so that a chunk is decoded once on
        each worker; the rows within a window come in an order of the sub-model's own.
        """
        done, seed = 0, self.spec.seed
        for number, (blocks, starts) in enumerate(_plan(self.spec, self.rates.size, self.which)):
            order = shuffled(key(seed, Purpose.ROW_ORDER, *self.which, number), count_rows(blocks))
            stop = done + starts.size - 1
            yield Steps(order, starts, self.rates[done:stop], window)
            done = stop

    def note(self, steps: Steps, losses: NDArray[np.float64]) -> None:
        """Note the losses of some steps."""
        self.losses.append(losses)
        self.samples += int(steps.starts[-1])
        if losses.size and not math.isfinite(losses[-1]):
            raise self._diverged(f"the loss was {losses[-1]}")
        beat(self.spec.run)
        now = time.perf_counter()
        plan = self.spec.rounds[self.which.round]
        interval = max(_TELL_EVERY, plan.n_groups * plan.n_submodels / _TOLD_A_SECOND)
        if losses.size and now - self.told_at >= interval:
            tell(self._progress(now))
            self.told, self.told_at = len(self.losses), now

    def _progress(self, now: float) -> SubmodelProgress:
        """Tell how far it is."""
        round, group, submodel = self.which
        return SubmodelProgress(
            run=self.spec.run,
            round=round,
            group=group,
            submodel=submodel,
            steps=sum(losses.size for losses in self.losses),
            n_steps=self.rates.size,
            loss=float(np.concatenate(self.losses[self.told :]).mean()),
            seconds=now - self.began,
            n_bytes=self.samples * decoded_row_bytes(self.spec.samples, self.spec.targets),
            units=self.units,
        )

    @property
    def units(self) -> int:
        """Units of the divided axes that it holds."""
        return sum(
            int(self.partition.sizes(axis)[self.which.submodel]) for axis in self.partition.parts
        )

    def finished(
        self, delta: NDArray[np.float32], started: float, seconds: float, together: int
    ) -> Trained:
        """Return what it has become, in a task of so many; `seconds` are its share of the time."""
        largest = max(float(delta.max()), -float(delta.min()))  # no array of absolute values
        # Which may be by the last step, that no loss has seen.
        if not largest * self.samples < np.finfo(np.float32).max:
            raise self._diverged(f"a parameter had changed by {largest:g}")
        report = SubmodelReport(
            group=self.which.group,
            submodel=self.which.submodel,
            loss=float(np.concatenate(self.losses).mean()),
            samples=self.samples,
            seconds=seconds,
            bytes_to_worker=delta.nbytes,
            bytes_from_worker=delta.nbytes,
            worker=here(),
            together=together,
            started=started,
            units=self.units,
        )
        return Trained(delta, report)

    def _diverged(self, what: str) -> DivergedError:
        round, group, submodel = self.which
        step = sum(losses.size for losses in self.losses)
        return DivergedError(
            f"{what} in round {round + 1}, group {group}, sub-model {submodel}, step {step}; use a "
            f"learning_rate below {self.spec.schedule.peak:g}"
        )


_NO_STEPS = Steps.without_rates(np.zeros(0, np.int64), np.zeros(1, np.int64))


def _take_steps(spec: RunSpec, machine: Machine, trainings: Sequence[_Training]) -> None:
    """Train window after window, one of each group at a time, until all steps are taken."""
    longest: dict[int, _Training] = {}  # by group: it needs the most windows
    for one in trainings:
        group = one.which.group
        if group not in longest or one.rates.size > longest[group].rates.size:
            longest[group] = one
    place = {group: number for number, group in enumerate(longest)}
    steps_to_come = [one.steps(place[one.which.group]) for one in trainings]
    with contextlib.ExitStack() as stack:
        # Closed at once, also by an error: threads are reading the next windows.
        readers = [
            stack.enter_context(contextlib.closing(_read(one, machine))) for one in longest.values()
        ]
        begun: tuple[list[Steps], Pending] | None = None
        for windows_now in itertools.zip_longest(*readers, fillvalue=Window([])):
            staged = machine.stage(windows_now)  # while the steps before are being taken
            steps = [next(to_come, _NO_STEPS) for to_come in steps_to_come]
            _note(trainings, begun)
            begun = steps, machine.run(staged, steps)
        _note(trainings, begun)


def _note(trainings: Sequence[_Training], begun: tuple[list[Steps], Pending] | None) -> None:
    """Wait for the steps that are begun, if any, and note their losses."""
    if begun is not None:
        steps, pending = begun
        for one, taken, found in zip(trainings, steps, pending.losses(), strict=True):
            one.note(taken, found)


def _read(training: _Training, machine: Machine) -> Generator[Window, None, None]:
    """Read the windows that a training needs, but for blocks that the machine holds."""
    spec = training.spec
    plan = _plan(spec, training.rates.size, training.which)
    spans, to_read = itertools.tee(blocks for blocks, _ in plan)

    def name(block: Block) -> BlockName:
        return BlockName(spec.run, block.start, block.stop)

    def held(block: Block) -> bool:
        return machine.holds(name(block))

    for span, read in zip(
        spans, windows(spec.run, spec.samples, to_read, spec.targets, held), strict=True
    ):
        yield Window(
            samples=[block.x for block in read],
            targets=[block.y for block in read if block.y is not None],
            names=[name(block) for block in span],
        )


def _plan(
    spec: RunSpec, n_steps: int, which: SubmodelId
) -> Iterator[tuple[tuple[Block, ...], NDArray[np.int64]]]:
    """Pass after pass over the group's blocks: each window, and where its batches begin.

    The last window has only as many of its blocks as its steps need: what nobody trains on is
    not read.
    """
    round, group, _ = which
    blocks = spec.rounds[round].group_blocks[group]
    row_bytes = decoded_row_bytes(spec.samples, spec.targets)
    for epoch in itertools.count():
        order = shuffled(key(spec.seed, Purpose.BLOCK_ORDER, round, group, epoch), len(blocks))
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
