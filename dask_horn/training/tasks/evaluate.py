"""Scores of parents on validation rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, softmax

from dask_horn.data import Block, decoded
from dask_horn.kernels.device import Device, Machine, Steps, Window, device
from dask_horn.network import LOSSES, Network
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
        scores.append(
            _score(spec.network, [_kept(z, counted) for z in outputs], _kept(rows.y, counted))
        )
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
    machine = own.machine(programs, spec.standardizer)
    machine.load([parent.parameters for parent in parents])
    return machine


def _score(
    network: Network, outputs: Sequence[NDArray[np.float32]], targets: NDArray[np.float32]
) -> Score:
    """Score members' outputs, (n, n_outputs) each, against targets, (n, n_columns)."""
    loss = LOSSES[network.loss]
    y = targets.astype(np.float64)
    predicted = _mean_prediction(loss.kind, [z.astype(np.float64) for z in outputs])
    loss_sum = float(loss.of_rows(predicted, y).sum())
    if loss.kind == "values":
        error = predicted - y
        sums = [values.sum(axis=0) for values in (error**2, y, y**2)]
        return Score(len(y), loss_sum, 0.0, sums[0], sums[1], sums[2], True)
    if loss.kind == "classes":
        right = predicted.argmax(axis=1) == y[:, 0]
    else:
        right = ((predicted > 0.5) == (y > 0.5)).all(axis=1)
    nothing = np.zeros(network.n_outputs)
    correct = float(np.count_nonzero(right))
    return Score(len(y), loss_sum, correct, nothing, nothing, nothing, False)


def _mean_prediction(kind: str, outputs: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the members' mean prediction, in the form that `Loss.of_rows` takes."""
    if kind == "values":
        return np.asarray(np.mean(outputs, axis=0))
    if kind == "labels":
        mean = np.mean([expit(z) for z in outputs], axis=0)
        return np.asarray(np.clip(mean, 1e-12, 1 - 1e-12))
    if len(outputs) == 1:
        return np.asarray(log_softmax(outputs[0], axis=1))
    mean = np.mean([softmax(z, axis=1) for z in outputs], axis=0)
    return np.asarray(np.log(np.maximum(mean, np.finfo(np.float64).tiny)))
