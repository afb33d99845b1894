"""What a parent's `BatchNorm` layers predict with: the population's mean and variance of each unit.

They are of the parent as it is, and so measured anew wherever it is to predict: sub-models have
other statistics, and any that were gathered while training belong to parameters of before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dask_horn.data import Block, decoded_row_bytes, window_spans, windows
from dask_horn.kernels.device import Device, Steps, Window, device
from dask_horn.kernels.random import shuffled
from dask_horn.network import Network
from dask_horn.program import statistics_program
from dask_horn.randomness import Purpose, key
from dask_horn.records import beat
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.plan.steps import batch_starts
from dask_horn.training.tasks.alone import alone_on

_ROWS = 8192  # that are enough: a mean is then known to a hundredth of the unit's deviation
_BLOCKS = 8  # at least, so that no single part of the store decides


def population_of(
    spec: RunSpec, member: int, parameters: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Measure one parent's population, laid out as `Network.statistics`: a pure function.

    The parent runs over batches of its own training rows, of the size that it was trained with, as
    in training but without dropout. Means and unbiased variances of the batches are averaged [1]_,
    each by what it knows: a mean counts as many times as there are values, a variance one less.

    References
    ----------
    .. [1] Ioffe, Szegedy: Batch Normalization, ICML 2015, algorithm 2, steps 8 to 10.
    """
    own = device(spec.scoring_device)
    with alone_on(own):
        return _measured(spec, member, parameters, own)


def _measured(
    spec: RunSpec, member: int, parameters: NDArray[np.float32], own: Device
) -> NDArray[np.float32]:
    """Measure it, in a function of its own: when it returns the device's memory is free."""
    network = spec.network
    program = statistics_program(
        network,
        device=own,
        batch_size=spec.batch_size,
        sample_dtype=spec.samples.decoded_dtype,
    )
    machine = own.machine([program], spec.standardizer.scaling)
    machine.load([parameters])
    blocks = _chosen_blocks(spec, member)
    share = min(1.0, _ROWS / sum(map(len, blocks)))
    total, weight = np.zeros(network.statistics.size), np.zeros(network.statistics.size)
    spans = window_spans(blocks, decoded_row_bytes(spec.samples, None))
    for number, decoded in enumerate(windows(spec.run, spec.samples, spans, None)):
        window = Window([block.x for block in decoded])
        order = key(spec.seed, Purpose.POPULATION_ROWS, member, number)
        starts = batch_starts(max(1, round(window.n_rows * share)), spec.batch_size)
        steps = Steps.without_rates(shuffled(order, window.n_rows), starts)
        found = machine.outputs(machine.stage([window]), [steps])[0]
        beat(spec.run)
        values, known = _values(network, np.diff(starts))
        total += (found * values).sum(axis=0)
        weight += known.sum(axis=0)
    return (total / np.maximum(weight, 1)).astype(np.float32)


def _chosen_blocks(spec: RunSpec, member: int) -> list[Block]:
    """Draw as many of the parent's row blocks as are needed."""
    plan = spec.rounds[0]
    own = sorted({block for group in plan.groups_of[member] for block in plan.group_blocks[group]})
    order = key(spec.seed, Purpose.POPULATION_BLOCKS, member)
    chosen: list[Block] = []
    n_rows = 0
    for index in shuffled(order, len(own)):
        if n_rows >= _ROWS and len(chosen) >= _BLOCKS:
            break
        chosen.append(own[index])
        n_rows += len(own[index])
    return chosen


def _values(
    network: Network, sizes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how many values each statistic of batches is of, and one less for a variance.

    Both are (n_batches, n_statistics). A unit has a value in each sample, at each position or step.
    """
    table = network.statistics
    values, known = np.zeros((2, sizes.size, table.size))
    for tensor in table.tensors:
        column = slice(tensor.offset, tensor.offset + tensor.size)
        values[:, column] = known[:, column] = (sizes * tensor.uses)[:, np.newaxis]
        if tensor.name.endswith("/variance"):
            known[:, column] -= 1
    return values, known
