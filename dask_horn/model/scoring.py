"""The score of predictions: one arithmetic for validation rows in training and for models.

It works on logits or standardized values in float64, and knows nothing of samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax

from dask_horn.data import TargetKind
from dask_horn.model.calibration import pool_logs
from dask_horn.network import LOSSES
from dask_horn.records import Score

_LEAST = 1e-12  # probability of a label whose logarithm is taken


def pooled(outputs: Sequence[NDArray[np.float64]], kind: TargetKind) -> NDArray[np.float64]:
    """Return the members' mean prediction.

    Parameters
    ----------
    outputs : sequence of ndarray of float64, (n, ..., n_outputs)
        Each member's logits or standardized values.
    kind : {"classes", "labels", "values"}

    Returns
    -------
    ndarray of float64, (n, ..., n_outputs)
        Values, log-odds, or log-probabilities up to a constant; of one member its own outputs.
    """
    if len(outputs) == 1:
        return outputs[0]
    stacked = np.stack(outputs)
    return np.asarray(stacked.mean(axis=0)) if kind == "values" else pool_logs(stacked, kind)


def score_of(
    loss: str,
    logs: NDArray[np.float64],
    targets: NDArray[np.float32],
    weights: NDArray[np.float64] | None = None,
) -> Score:
    """Score predictions against targets.

    Parameters
    ----------
    loss : str
        The network's loss.
    logs : ndarray of float64, (n, n_outputs)
        Standardized values, log-odds, or log-probabilities up to a constant, as logits are.
    targets : ndarray of float32, (n, n_columns)
        As `Targets.encode` gives them, a row for each step where steps have targets.
    weights : ndarray of float64, (n,), optional
        Weight of each row; by default 1.

    Returns
    -------
    Score

    Examples
    --------
    >>> logs = np.log([[0.9, 0.1], [0.2, 0.8]])
    >>> score_of("cross_entropy", logs, np.array([[0.0], [0.0]], np.float32))
    Score(accuracy 0.5000, loss 0.8574, n 2)
    """
    own, y = LOSSES[loss], targets.astype(np.float64)
    predicted = _predicted(own.kind, logs)
    losses = own.of_rows(predicted, y)
    n = len(y) if weights is None else float(weights.sum())
    loss_sum = float(_sum(losses, weights))
    if own.kind == "values":
        error = predicted - y
        sums = [_sum(rows, weights) for rows in (error**2, y, y**2)]
        return Score(n, loss_sum, 0.0, sums[0], sums[1], sums[2], True)
    if own.kind == "classes":
        right = predicted.argmax(axis=1) == y[:, 0]
    else:
        right = ((predicted > 0.5) == (y > 0.5)).all(axis=1)
    correct = np.count_nonzero(right) if weights is None else weights[right].sum()
    nothing = np.zeros(logs.shape[1])
    return Score(n, loss_sum, float(correct), nothing, nothing, nothing, False)


def _predicted(kind: TargetKind, logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return predictions in the form that `Loss.of_rows` takes."""
    if kind == "classes":
        return np.asarray(log_softmax(logs, axis=1))
    return logs if kind == "values" else np.clip(expit(logs), _LEAST, 1 - _LEAST)


def _sum(rows: NDArray[np.float64], weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return the weighted sum of rows, (n,) or (n, columns)."""
    return np.asarray(rows.sum(axis=0) if weights is None else weights @ rows)
