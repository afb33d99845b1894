"""Scores of parents on validation rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dask_horn.data import Block, decoded
from dask_horn.kernels.device import Device, Machine, Steps, Window, device
from dask_horn.model.scoring import pooled, score_of
from dask_horn.program import PREDICTION_BATCH, prediction_program
from dask_horn.records import Score, add_scores, beat
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.tasks.alone import alone_on
from dask_horn.training.tasks.states import Whole


def score_blocks(spec: RunSpec, blocks: Sequence[Block], parents: Sequence[Whole]) -> Score:
    """Score the mean prediction of `parents` on some of the validation rows."""
    own = device(spec.scoring_device)
    with alone_on(own):
        return _scored(spec, blocks, parents, own)


def _scored(spec: RunSpec, blocks: Sequence[Block], parents: Sequence[Whole], own: Device) -> Score:
    """Score them, in a function of its own: when it returns the device's memory is free."""
    assert spec.validation is not None, "scoring needs validation rows"
    machine = _machine(spec, spec.validation.decoded_dtype, parents, own)
    form = spec.validation.form
    scores = []
    for block in blocks:
        rows = decoded(spec.run, spec.validation, block, spec.targets)
        assert rows.y is not None, "validation rows have targets"
        steps = Steps.through(len(rows), PREDICTION_BATCH)
        outputs = machine.outputs(machine.stage([Window([rows.x])]), [steps] * len(parents))
        counted = form.counted(rows.x)
        beat(spec.run)
        mean = pooled([_kept(z, counted).astype(np.float64) for z in outputs], spec.targets.kind)
        scores.append(score_of(spec.network.loss, mean, _kept(rows.y, counted)))
    return add_scores(scores)


def _kept(values: NDArray[np.float32], counted: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Keep what counts of outputs or targets: one row for each sample, or for each step."""
    return values.reshape(counted.size, -1)[counted.ravel()]


def _machine(spec: RunSpec, dtype: str, parents: Sequence[Whole], own: Device) -> Machine:
    """Set parents up to predict."""
    programs = [
        prediction_program(
            spec.network,
            parent.statistics,
            device=own,
            batch_size=PREDICTION_BATCH,
            sample_dtype=dtype,
        )
        for parent in parents
    ]
    machine = own.machine(programs, spec.standardizer.scaling)
    machine.load([parent.parameters for parent in parents])
    return machine
