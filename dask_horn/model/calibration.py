"""Temperature scaling: one number that sharpens or softens probabilities.

It works on logarithms of probabilities in float64, so that none underflows, and knows nothing of
networks or samples.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_softmax, logsumexp, softmax

from dask_horn.checks import checked_number
from dask_horn.data import TargetKind

# Bounds of the search for the temperature, in units of the mean distance between logits.
_LOWEST, _HIGHEST = 1e-4, 1e3

Logs = NDArray[np.float64]


def check_temperature(temperature: float, kind: TargetKind) -> None:
    """Raise an error for a temperature that no model can have.

    Raises
    ------
    TypeError, ValueError
        If it is not a positive number, or not 1 although the targets are values.
    """
    checked_number("temperature", temperature, above=0)
    if kind == "values" and temperature != 1:
        raise ValueError(f"temperature must be 1 for models of values, got {temperature!r}")


def pool_logs(logs: Logs, kind: TargetKind) -> Logs:
    """Pool the members' predictions: return the logarithm of their mean probability.

    Parameters
    ----------
    logs : ndarray of float64, (n_members, n_samples, ..., n_outputs)
        Each member's logits, or log-probabilities.
    kind : {"classes", "labels"}

    Returns
    -------
    ndarray of float64, (n_samples, ..., n_outputs)
        Log-probabilities of classes, up to a constant, or log-odds of labels.
    """
    if kind == "classes":
        pooled: Logs = logsumexp(log_softmax(logs, axis=-1), axis=0)
        return pooled
    odds: Logs = logsumexp(log_expit(logs), axis=0) - logsumexp(log_expit(-logs), axis=0)
    return odds


def temper(logs: Logs, temperature: float, kind: TargetKind) -> NDArray[np.float32]:
    """Turn logits, or log-probabilities, into probabilities at a temperature.

    Parameters
    ----------
    logs : ndarray of float64, (n_samples, ..., n_outputs)
    temperature : float
    kind : {"classes", "labels"}

    Returns
    -------
    ndarray of float32, (n_samples, ..., n_outputs)
        ``softmax(logs / temperature)``, or the sigmoid for labels.
    """
    scaled = logs / temperature
    probabilities: NDArray[Any] = softmax(scaled, axis=-1) if kind == "classes" else expit(scaled)
    return probabilities.astype(np.float32)


def fit_temperature(logs: Logs, encoded: NDArray[np.float32], kind: TargetKind) -> float:
    """Find the temperature of the lowest negative log-likelihood (Guo et al. 2017, section 4.2).

    If every prediction is correct, the likelihood rises all the way to temperature 0. Then a
    warning is given, and the temperature is 1.

    Parameters
    ----------
    logs : ndarray of float64, (n_samples, n_outputs)
        Logits, or log-probabilities.
    encoded : ndarray of float32, (n_samples, n_columns)
        Targets as `Targets.encode` gives them.
    kind : {"classes", "labels"}

    Raises
    ------
    ValueError
        If the predictions do not fit the targets better than chance.

    Examples
    --------
    >>> logs = np.log([[0.8, 0.2]] * 10)
    >>> right_in_6_of_10 = np.array([[0.0]] * 6 + [[1.0]] * 4, np.float32)
    >>> round(fit_temperature(logs, right_in_6_of_10, "classes"), 2)  # 0.6 = softmax(log p / 3.42)
    3.42
    """
    # Importing scipy.optimize takes as long as the rest of model/; predicting does not need it.
    from scipy.optimize import minimize_scalar

    margins = _margins(logs, encoded, kind)
    if margins.min() >= 0:
        warnings.warn(
            f"all {len(logs)} samples passed to calibrate are predicted correctly, so no "
            "temperature fits best and it stays 1; pass more samples that were not trained on",
            UserWarning,
            stacklevel=3,  # of whoever calls `calibrate`
        )
        return 1.0
    if margins.mean() <= 0:  # the likelihood's slope at 1 / temperature = 0
        raise ValueError(
            "the predictions for X fit y no better than chance, so no temperature helps; check "
            "that X and y belong together"
        )
    scale = float(np.abs(margins).mean())
    found = minimize_scalar(
        lambda log_temperature: _mean_loss(margins / math.exp(log_temperature)),
        bounds=(math.log(scale * _LOWEST), math.log(scale * _HIGHEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return math.exp(found.x) if found.fun < _mean_loss(margins) else 1.0


def _margins(logs: Logs, encoded: NDArray[np.float32], kind: TargetKind) -> Logs:
    """Return by how much the truth leads each alternative, (n_decisions, n_alternatives).

    The alternatives of a class are all other classes; each label is a decision of its own.
    """
    if kind == "labels":
        return (logs * (2.0 * encoded - 1.0)).reshape(-1, 1)
    rows, codes = np.arange(len(logs)), encoded[:, 0].astype(np.int64)
    others = np.ones(logs.shape, bool)
    others[rows, codes] = False
    return logs[rows, codes, np.newaxis] - logs[others].reshape(len(logs), -1)


def _mean_loss(margins: Logs) -> float:
    """Mean of ``log(1 + sum exp(-margin))``, the truth's negative log-likelihood."""
    return float(np.logaddexp(0.0, logsumexp(-margins, axis=1)).mean())
