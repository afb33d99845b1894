"""What a run will ask of a worker and of its device: kernels, and memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dask_horn.cluster import HOST
from dask_horn.data import Block, decoded_row_bytes
from dask_horn.data.rows.windows import CACHE_BYTES, WINDOW_BYTES
from dask_horn.kernels.device import Kernels, device
from dask_horn.kernels.program import Program
from dask_horn.network import ParameterTable
from dask_horn.program import prediction_program, statistics_program, training_program
from dask_horn.rounding import ceil_div
from dask_horn.training.plan.spec import RoundPlan, RunSpec

_TABLES = 2**16  # bytes: a sub-model's counters, scalars and addresses, and where arrays begin


def kernels_of(spec: RunSpec) -> tuple[Kernels, ...]:
    """Return all kernels that the run's tasks call, of each device that they call some of."""
    network, scoring = spec.network, device(spec.scoring_device)
    programs = []
    if spec.validation is not None:
        dtype = spec.validation.decoded_dtype
        programs.append(
            prediction_program(network, device=scoring, batch_size=1, sample_dtype=dtype)
        )
    if network.statistics:
        dtype = spec.samples.decoded_dtype
        programs.append(
            statistics_program(network, device=scoring, batch_size=1, sample_dtype=dtype)
        )
    names: dict[str, set[str]] = {HOST: set()}  # parents are divided and merged there
    names.setdefault(spec.device, set()).update(_program(spec, spec.network.parameters).kernels)
    names.setdefault(spec.scoring_device, set()).update(*(one.kernels for one in programs))
    return tuple(Kernels(name, tuple(sorted(own))) for name, own in names.items())


def memory_needed(spec: RunSpec) -> int:
    """Bytes that one training task holds, about, beyond what an idle worker does.

    The arena of the largest sub-model, its slice and its delta; the window and the decoded
    blocks, which the tasks of a worker share; two parents while they are merged. Arenas are not
    counted where a device has them in a memory of its own.
    """
    table = spec.network.parameters
    smallest_division = min(plan.n_submodels for plan in spec.rounds)
    arena = _program(spec, table).arena_size if spec.device == HOST else 0
    if smallest_division > 1:  # each divided axis is cut at least this often, give or take
        arena = int(1.5 * arena / smallest_division)
    data = spec.samples.n_samples * spec.samples.row_bytes
    return 4 * (arena + 4 * table.size) + min(data, CACHE_BYTES + 2 * WINDOW_BYTES)


@dataclass(frozen=True)
class Footprint:
    """What trainings of a round take of the memory that a device has of its own.

    Attributes
    ----------
    submodel : int
        Bytes of the largest sub-model: its arena, and the orders and losses of two windows.
    windows : int
        Bytes of a group's two windows: the next is staged while the sub-models, which share
        them, train on one.
    """

    submodel: int
    windows: int

    def of(self, n_submodels: int, n_groups: int) -> int:
        """Bytes of so many sub-models of so many groups."""
        return n_submodels * self.submodel + n_groups * self.windows


def footprint_of(spec: RunSpec, plan: RoundPlan, sizes: Mapping[str, int]) -> Footprint:
    """Find out what trainings of a round take, before they are begun.

    Parameters
    ----------
    spec : RunSpec
    plan : RoundPlan
        The round's.
    sizes : mapping of str to int
        The most units that a sub-model has of each divided axis.
    """
    program = _program(spec, spec.network.parameters.restrict(sizes))
    row_bytes = decoded_row_bytes(spec.samples, spec.targets)
    window = max(_window_bytes(blocks, row_bytes) for blocks in plan.group_blocks)
    rows = ceil_div(window, row_bytes)
    by_step = 3 * ceil_div(rows, spec.batch_size)  # where a batch begins, its rate, its loss
    steps = 2 * 8 * (rows + by_step)
    submodel = 4 * program.arena_size + program.rows.nbytes + steps + _TABLES
    return Footprint(submodel, 2 * window)


def _window_bytes(blocks: tuple[Block, ...], row_bytes: int) -> int:
    """Bytes of the largest window that these blocks may make, in any order."""
    lengths = [len(block) for block in blocks]
    return min(sum(lengths) * row_bytes, max(WINDOW_BYTES, max(lengths) * row_bytes))


def _program(spec: RunSpec, table: ParameterTable) -> Program:
    """Write the training program of the whole network, or of a sub-model with this table."""
    return training_program(
        spec.network,
        table,
        {},
        device=device(spec.device),
        batch_size=spec.batch_size,
        sample_dtype=spec.samples.decoded_dtype,
        optimizer=spec.optimizer,
        class_weights=spec.class_weights,
    )
