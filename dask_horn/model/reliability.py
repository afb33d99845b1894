"""How far predicted probabilities, or the spread of an ensemble, can be relied on.

References
----------
Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017, section 2: the
reliability diagram and the expected calibration error, of the most probable class's confidence.
Kuleshov, Fenner, Ermon: Accurate Uncertainties for Deep Learning Using Calibrated Regression, ICML
2018, section 3: the same for values, by their quantiles.
Gneiting, Balabdaoui, Raftery: Probabilistic Forecasts, Calibration and Sharpness, JRSS B 69 (2007):
the histogram of the probability integral transform.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data import TargetKind

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predicted beside observed shares.

    Attributes
    ----------
    edges : ndarray of float64, (n_bins + 1,)
        Of the bins, from 0 to 1.
    counts : ndarray of int64, (n_bins,)
        Decisions in each bin, or targets whose quantile lies in it.
    expected, observed : ndarray of float64
        The points of the diagram: on the diagonal where what is predicted is right. For
        probabilities one for each bin that is not empty, for values one for each inner edge.
    decisions : ndarray of int64
        How many each point is from.
    error : float
        The mean distance from the diagonal, by decisions: for probabilities the expected
        calibration error.
    """

    edges: Floats
    counts: NDArray[np.int64]
    expected: Floats
    observed: Floats
    decisions: NDArray[np.int64]
    error: float


def of_probabilities(predicted: Floats, happened: NDArray[np.bool_], n_bins: int) -> Reliability:
    """Compare probabilities with how often what they predict has happened.

    Parameters
    ----------
    predicted : ndarray of float64, (n_decisions,)
    happened : ndarray of bool, (n_decisions,)
    n_bins : int
        Bins of equal width.

    Returns
    -------
    Reliability

    Examples
    --------
    >>> found = of_probabilities(np.array([0.9, 0.9, 0.2, 0.2]), np.array([1, 0, 0, 0]) > 0, 10)
    >>> found.observed.tolist(), round(found.error, 3)
    ([0.0, 0.5], 0.3)
    """
    edges = np.linspace(0, 1, n_bins + 1)
    bins = np.clip(np.searchsorted(edges, predicted, side="right") - 1, 0, n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    filled = counts > 0
    decisions = counts[filled]
    expected = np.bincount(bins, predicted, minlength=n_bins)[filled] / decisions
    observed = np.bincount(bins, happened, minlength=n_bins)[filled] / decisions
    error = float(np.sum(decisions * np.abs(observed - expected)) / decisions.sum())
    return Reliability(edges, counts, expected, observed, decisions, error)


def of_quantiles(quantiles: Floats, n_bins: int) -> Reliability:
    """Compare the quantiles of predicted distributions with the share of targets below them.

    Parameters
    ----------
    quantiles : ndarray of float64, (n_targets,)
        Which quantile of its predicted distribution each target is: its probability integral
        transform, even between 0 and 1 if the distributions are right.
    n_bins : int

    Returns
    -------
    Reliability
    """
    edges = np.linspace(0, 1, n_bins + 1)
    counts = np.histogram(quantiles, edges)[0]
    observed = np.cumsum(counts)[:-1] / len(quantiles)
    error = float(np.abs(observed - edges[1:-1]).mean())
    every = np.full(n_bins - 1, len(quantiles))
    return Reliability(edges, counts, edges[1:-1], observed, every, error)


def decisions(
    probabilities: NDArray[np.float32], encoded: NDArray[np.float32], kind: TargetKind
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return what is predicted with which probability, and whether it has happened.

    Of two classes it is the second, of more the most probable one of each sample; of several
    labels it is each of them.

    Parameters
    ----------
    probabilities : ndarray of float32, (n_samples, n_outputs)
    encoded : ndarray of float32, (n_samples, n_columns)
        Targets as `Targets.encode` gives them.
    kind : {"classes", "labels"}
    """
    p: NDArray[Any] = probabilities.astype(np.float64)
    if kind == "labels":
        return p.ravel(), encoded.ravel() > 0.5
    codes = encoded[:, 0].astype(np.int64)
    if p.shape[1] == 2:
        return p[:, 1], codes == 1
    chosen = p.argmax(axis=1)
    return p[np.arange(len(p)), chosen], chosen == codes
