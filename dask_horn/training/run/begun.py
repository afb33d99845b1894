"""What is told of a run when it begins to train."""

from __future__ import annotations

import dataclasses

from dask_horn.data import SampleStore
from dask_horn.records import RunBegun
from dask_horn.training.plan.options import TrainingOptions
from dask_horn.training.plan.spec import RunSpec


def begun(spec: RunSpec, options: TrainingOptions, first_round: int) -> RunBegun:
    """Describe a run whose first rounds may be done already."""
    settings = dataclasses.asdict(options)
    if isinstance(options.class_weight, dict):  # whose keys may be anything
        settings["class_weight"] = repr(options.class_weight)
    plans = tuple((len(plan.group_blocks), plan.n_submodels) for plan in spec.rounds)
    return RunBegun(
        run=spec.run,
        network=spec.network.summary(),
        n_parameters=spec.network.parameters.n_parameters,
        data=_in_words(spec),
        settings=settings,
        batch_size=spec.batch_size,
        first_round=first_round,
        plans=plans,
        device=spec.device,
    )


def _in_words(spec: RunSpec) -> str:
    """Say what a run is trained on."""
    samples = spec.samples
    shape = " × ".join(map(str, samples.sample_shape))
    words = f"{samples.n_samples:,} samples of {shape} {samples.dtype}, {_place(samples)}"
    if spec.validation is None:
        return words
    held_out = sum(len(block) for blocks in spec.validation_blocks for block in blocks)
    return f"{words}; {held_out:,} held out"


def _place(store: SampleStore) -> str:
    return "in memory" if store.in_process else f"in {store.location}"
