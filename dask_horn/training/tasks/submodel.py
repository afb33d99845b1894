"""The pure task: train one sub-model on its group's rows, alone, for one round."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dask_horn.data import Block, decoded_row_bytes, window_spans, windows
from dask_horn.errors import DivergedError
from dask_horn.kernels.device import Machine, Steps, Window, device
from dask_horn.kernels.program import Program
from dask_horn.kernels.random import derive_key, shuffled
from dask_horn.partition import Partition
from dask_horn.program import submodel_scales, training_program
from dask_horn.records import SubmodelReport
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.plan.steps import batch_starts, count_rows
from dask_horn.training.tasks.division import steps_of

__all__ = [
    "Trained",
    "begin_round",
    "take_steps",
    "train_submodel",
]

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


class _Ordered(NamedTuple):
    """A window, the order in which a sub-model takes its rows, and where batches begin."""

    window: Window
    order: NDArray[np.int64]
    starts: NDArray[np.int64]


def train_submodel(
    spec: RunSpec,
    start: NDArray[np.float32],
    partition: Partition,
    round: int,
    group: int,
    submodel: int,
) -> Trained:
    """Train one sub-model for one round; `start`, its slice of the parent, is not changed.

    Raises
    ------
    DivergedError
        If a loss is not finite, or the delta is beyond what the merge can add up.
    """
    began = time.perf_counter()
    scales = submodel_scales(spec.network, partition.fractions(submodel), spec.hidden_exponent)
    machine = begin_round(spec, start, partition, scales, round, group, submodel)
    rates = spec.rates(round, steps_of(spec, partition, round, group, submodel))
    loss, samples = take_steps(spec, machine, rates, round, group, submodel)
    delta = machine.parameters()[0] - start
    largest = max(float(delta.max()), -float(delta.min()))  # no array of absolute values
    if not largest * samples < np.finfo(np.float32).max:  # the last step's, which no loss has seen
        what = f"a parameter had changed by {largest:g}"
        raise _diverged(spec, what, round, group, submodel, rates.size)
    report = SubmodelReport(
        group=group,
        submodel=submodel,
        loss=loss,
        samples=samples,
        seconds=time.perf_counter() - began,
        bytes_to_worker=start.nbytes,
        bytes_from_worker=delta.nbytes,
    )
    return Trained(delta, report)


def begin_round(
    spec: RunSpec,
    start: NDArray[np.float32],
    partition: Partition,
    scales: Mapping[str, float],
    round: int,
    group: int,
    submodel: int,
) -> Machine:
    """Set a sub-model's program up at `start`; `scales` as `submodel_scales` gives them."""
    program = _program(spec, partition, scales, submodel)
    machine = device(spec.device).machine([program], spec.standardizer)
    machine.load([start], [derive_key(spec.seed, round, group, submodel, _MASKS)])
    return machine


def take_steps(
    spec: RunSpec,
    machine: Machine,
    rates: NDArray[np.float64],
    round: int,
    group: int,
    submodel: int,
) -> tuple[float, int]:
    """Train for as many steps as there are learning rates; return mean loss and samples seen.

    Raises
    ------
    DivergedError
        If a loss is not finite.
    """
    losses = np.empty(rates.size)
    done = samples = 0
    # Closed at once, also by an error: a thread is reading the next window.
    with contextlib.closing(_windows(spec, rates.size, round, group, submodel)) as windows_to_come:
        for window, order, starts in windows_to_come:
            stop = done + starts.size - 1
            steps = Steps(order, starts, rates[done:stop])
            got = machine.run(machine.stage([window]), [steps])[0]
            if not math.isfinite(got[-1]):
                what = f"the loss was {got[-1]}"
                raise _diverged(spec, what, round, group, submodel, done + got.size)
            losses[done:stop] = got
            samples += int(starts[-1])
            done = stop
    return float(losses.mean()), samples


def _diverged(
    spec: RunSpec, what: str, round: int, group: int, submodel: int, step: int
) -> DivergedError:
    return DivergedError(
        f"{what} in round {round + 1}, group {group}, sub-model {submodel}, step {step}; use a "
        f"learning_rate below {spec.schedule.peak:g}"
    )


def _program(
    spec: RunSpec, partition: Partition, scales: Mapping[str, float], submodel: int
) -> Program:
    """Write the program of one sub-model."""
    sizes = {axis: len(units) for axis, units in partition.index_sets(submodel).items()}
    return training_program(
        spec.network,
        spec.network.parameters.restrict(sizes),
        scales,
        device=device(spec.device),
        batch_size=spec.batch_size,
        sample_dtype=spec.samples.decoded_dtype,
        optimizer=spec.optimizer,
        class_weights=spec.class_weights,
    )


def _windows(
    spec: RunSpec, n_steps: int, round: int, group: int, submodel: int
) -> Generator[_Ordered, None, None]:
    """Windows of blocks for that many steps, and the order of their rows.

    Blocks come in the same order for all sub-models of a group, so that a chunk is decoded once
    on each worker; the rows within a window come in an order of the sub-model's own.
    """
    to_read, to_take = itertools.tee(_plan(spec, n_steps, round, group))
    read = windows(spec.run, spec.samples, (span for span, _ in to_read), spec.targets)
    for number, (blocks, (_, starts)) in enumerate(zip(read, to_take, strict=False)):
        key = derive_key(spec.seed, round, group, submodel, number, _ROW_ORDER)
        window = Window(
            samples=[block.x for block in blocks],
            targets=[block.y for block in blocks if block.y is not None],
        )
        yield _Ordered(window, shuffled(key, window.n_rows), starts)


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
