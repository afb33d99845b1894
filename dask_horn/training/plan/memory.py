"""What a run will ask of a worker: its kernels, and its memory."""

from __future__ import annotations

from dask_horn.data.rows.windows import CACHE_BYTES, WINDOW_BYTES
from dask_horn.kernels.device import Kernels, device
from dask_horn.kernels.program import Program
from dask_horn.program import prediction_program, statistics_program, training_program
from dask_horn.training.plan.spec import RunSpec


def kernels_of(spec: RunSpec) -> Kernels:
    """Return all kernels that the run's tasks call."""
    own, network = device(spec.device), spec.network
    programs = [_undivided_program(spec)]
    if spec.validation is not None:
        dtype = spec.validation.decoded_dtype
        programs.append(prediction_program(network, device=own, batch_size=1, sample_dtype=dtype))
    if network.statistics:
        dtype = spec.samples.decoded_dtype
        programs.append(statistics_program(network, device=own, batch_size=1, sample_dtype=dtype))
    names = {name for program in programs for name in program.kernels}
    return Kernels(spec.device, tuple(sorted(names)))


def memory_needed(spec: RunSpec) -> int:
    """Bytes that one training task holds, about, beyond what an idle worker does.

    The arena of the largest sub-model, its slice and its delta; the window and the decoded
    blocks, which the tasks of a worker share; two parents while they are merged.
    """
    table = spec.network.parameters
    smallest_division = min(plan.n_submodels for plan in spec.rounds)
    arena = _undivided_program(spec).arena_size
    if smallest_division > 1:  # each divided axis is cut at least this often, give or take
        arena = int(1.5 * arena / smallest_division)
    data = spec.samples.n_samples * spec.samples.row_bytes
    return 4 * (arena + 4 * table.size) + min(data, CACHE_BYTES + 2 * WINDOW_BYTES)


def _undivided_program(spec: RunSpec) -> Program:
    return training_program(
        spec.network,
        spec.network.parameters,
        {},
        device=device(spec.device),
        batch_size=spec.batch_size,
        sample_dtype=spec.samples.decoded_dtype,
        optimizer=spec.optimizer,
        class_weights=spec.class_weights,
    )
