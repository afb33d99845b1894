"""Peak memory of a sub-model's training, next to what it must hold; each in a fresh process."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.baselines.rows import spec_of
from benchmarks.baselines.runs import network
from benchmarks.baselines.wire import reset_peak
from dask_horn.data import decoded_row_bytes
from dask_horn.partition import Partition
from dask_horn.program import warm_up
from dask_horn.training.plan.memory import kernels_of
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.tasks.division import first_values
from dask_horn.training.tasks.submodel import train_submodel

__all__ = ["WIDTH", "work"]

WIDTH = 4096
STEPS = 3
_BATCH = 128


def _spec_from_afar(location: str) -> RunSpec:
    """Have another process survey the samples: what that decodes would count as held already."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
        survey = other.submit(spec_of, network(WIDTH), location, n_passes=1, steps_per_round=STEPS)
        return survey.result()


def work(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train one of so many sub-models for some steps, as a worker's task does."""
    n_submodels = int(settings["submodels"])
    whole = network(WIDTH)
    spec = _spec_from_afar(settings["location"])
    partition = Partition.draw(whole, n_submodels, concentration=None)
    places = partition.slice_map(whole.parameters, 0)
    warm_up(kernels_of(spec))
    start = places.take(first_values(spec, 0))
    reset_peak()
    idle = _status("VmRSS") - start.nbytes  # the slice has come with the task
    trained = train_submodel(spec, start, partition, 0, 0, 0)
    peak = _status("VmHWM") - idle
    # What it must hold.
    widths = [
        whole.n_inputs,
        *(tensor.shape[1] for tensor in places.table.tensors if tensor.decays),
    ]
    activations = 4 * _BATCH * (sum(widths) + 2 * max(widths[1:]))
    rows = decoded_row_bytes(spec.samples, spec.targets)
    window = rows * sum(map(len, spec.rounds[0].group_blocks[0]))
    copies = 3 + spec.optimizer.n_state_vectors
    must = copies * start.nbytes + activations + window
    return {
        "submodels": n_submodels,
        "slice": start.nbytes,
        "activations": activations,
        "window": window,
        "must": must,
        "peak": peak,
        "loss": trained.report.loss,
    }


def _status(name: str) -> int:
    """Return one of Linux' figures of this process, in bytes."""
    found = re.search(rf"{name}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found.group(1)) if found else 0
