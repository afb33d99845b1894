"""What is told of a run when it begins to train."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from dask_horn.records import RunBegun
from dask_horn.training.run.context import RunContext


def begun(run: RunContext, first_round: int) -> RunBegun:
    """Describe a run whose first rounds may be done already."""
    spec, options = run.spec, run.options
    settings = dataclasses.asdict(options)
    settings["n_submodels"] = options.divided_for(spec.network, spec.samples.n_samples).n_submodels
    if isinstance(options.class_weight, Mapping):  # whose keys may be anything
        settings["class_weight"] = repr(options.class_weight)
    plans = tuple((len(plan.group_blocks), plan.n_submodels) for plan in spec.rounds)
    return RunBegun(
        run=spec.run,
        network=spec.network.summary(),
        n_parameters=spec.network.parameters.n_parameters,
        data=_data_of(run),
        settings=settings,
        batch_size=spec.batch_size,
        first_round=first_round,
        plans=plans,
        device=spec.device,
        changed=tuple(options.changed),
        held_out=_held_out(run),
    )


def _data_of(run: RunContext) -> str:
    """Say what a run is trained on."""
    spec, samples = run.spec, run.spec.samples
    shape = " × ".join(map(str, samples.sample_shape))
    words = f"{samples.n_samples:,} samples of {shape} {samples.dtype}, {_place_of(run)}"
    return words if spec.validation is None else f"{words}; {_held_out(run):,} held out"


def _held_out(run: RunContext) -> int:
    """Count the samples that parents are scored on."""
    return sum(len(block) for blocks in run.spec.validation_blocks for block in blocks)


def _place_of(run: RunContext) -> str:
    samples = run.spec.samples
    if samples.in_process:
        return "in memory"
    copied = run.scratch.holds(samples.location)
    return "copied into Zarr" if copied else f"in {samples.location}"
