"""How good probabilities are: how often right, how likely the truth, how well they are meant."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["accuracy", "expected_calibration_error", "negative_log_likelihood"]


def accuracy(y: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]) -> float:
    """Share of the samples whose class (n,) has the highest probability (n, n_classes)."""
    return float(np.mean(probabilities.argmax(axis=1) == y))


def negative_log_likelihood(
    y: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]
) -> float:
    """Mean of ``-log p`` of the true classes (n,); a p of 0 counts as float32's least, 1e-38.

    Examples
    --------
    >>> round(negative_log_likelihood(np.array([0, 1]), np.array([[0.5, 0.5], [0.8, 0.2]])), 3)
    1.151
    """
    p = probabilities[np.arange(len(y)), y].astype(np.float64)
    return float(-np.log(np.maximum(p, np.finfo(np.float32).tiny)).mean())


def expected_calibration_error(
    y: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]], n_bins: int = 15
) -> float:
    """By how much the top probability differs from how often it is right, on average.

    Samples are binned by their top probability, in bins of equal width; of each bin, accuracy
    and mean probability are compared.

    Parameters
    ----------
    y : ndarray of int, (n_samples,)
        Index of the true class.
    probabilities : ndarray, (n_samples, n_classes)
    n_bins : int, default 15

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On Calibration of Modern Neural Networks",
    ICML 2017, equation 3.

    Examples
    --------
    >>> sure = np.tile([0.9, 0.1], (10, 1))
    >>> round(expected_calibration_error(np.array([0] * 7 + [1] * 3), sure), 3)
    0.2
    """
    top = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == y
    bins = np.clip(np.ceil(top * n_bins).astype(int) - 1, 0, n_bins - 1)  # (0, 1/n], (1/n, 2/n] …
    # Σ |B|/n · |accuracy - confidence|: the sizes cancel.
    gaps = np.bincount(bins, weights=right - top, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(y))
