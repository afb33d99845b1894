"""The losses by name: which targets each takes, and its formula.

Training computes losses and gradients in kernels, which take the outputs of a linear last layer and
apply softmax or sigmoid themselves: that is numerically safer. The formulas here are for scores,
whose predictions may be the mean of several models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dask_horn.checks import checked_choice

#: Where huber turns from quadratic to linear, in standard deviations of the target.
HUBER_DELTA = 1.0

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Loss:
    """What the rest of the library needs to know about a loss.

    Attributes
    ----------
    name : str
        The name that a network gives.
    kind : {"classes", "labels", "values"}
        The targets: a class index per sample, 0 or 1 for each of several labels, or real values.
    of_rows : callable
        ``of_rows(predicted, targets)`` is the loss of each row, (n,). `predicted` is float64: the
        logarithms of the classes' probabilities, the labels' probabilities, or values. `targets`
        is (n, columns).
    min_outputs : int
        The smallest number of output units that makes sense.

    Examples
    --------
    >>> from dask_horn.network import LOSSES
    >>> LOSSES["huber"].kind
    'values'
    """

    name: str
    kind: Literal["classes", "labels", "values"]
    of_rows: Callable[[Array, Array], Array]
    min_outputs: int = 1


def _cross_entropy(log_p: Array, classes: Array) -> Array:
    return -np.take_along_axis(log_p, classes.astype(np.int64), axis=1)[:, 0]


def _binary_cross_entropy(p: Array, labels: Array) -> Array:
    return np.asarray(-np.mean(labels * np.log(p) + (1 - labels) * np.log1p(-p), axis=1))


def _squared_error(values: Array, targets: Array) -> Array:
    return np.asarray(np.mean(0.5 * (values - targets) ** 2, axis=1))


def _huber(values: Array, targets: Array) -> Array:
    size = np.abs(values - targets)
    beyond = HUBER_DELTA * (size - 0.5 * HUBER_DELTA)
    return np.asarray(np.mean(np.where(size <= HUBER_DELTA, 0.5 * size**2, beyond), axis=1))


LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        loss.name: loss
        for loss in (
            Loss("cross_entropy", "classes", _cross_entropy, min_outputs=2),
            Loss("binary_cross_entropy", "labels", _binary_cross_entropy),
            Loss("squared_error", "values", _squared_error),
            Loss("huber", "values", _huber),
        )
    }
)


def checked_loss(value: Any) -> str:
    """Return the loss's name; errors as `checked_choice`."""
    return checked_choice("loss", value, LOSSES)
