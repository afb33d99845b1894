"""The losses by name: and which targets each takes.

The kernels compute them. A loss takes the outputs of a linear last layer and applies softmax or
sigmoid itself, which is numerically safer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from dask_horn.checks import checked_choice

__all__ = ["LOSSES", "Loss"]


@dataclass(frozen=True)
class Loss:
    """What the rest of the library needs to know about a loss.

    Attributes
    ----------
    name : str
        The name that a network gives.
    kind : {"classes", "labels", "values"}
        The targets: a class index per sample, 0 or 1 for each of several labels, or real values.
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
    min_outputs: int = 1


# With logits z (batch, outputs) and targets t, the mean over the batch of
#   cross_entropy         -log softmax(z)[t]
#   binary_cross_entropy  mean over labels  of max(z, 0) - z t + log(1 + exp(-|z|))
#   squared_error         mean over outputs of (z - t)^2 / 2
#   huber                 mean over outputs of (z - t)^2 / 2 where |z - t| <= 1, else |z - t| - 1/2
LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        loss.name: loss
        for loss in (
            Loss("cross_entropy", "classes", min_outputs=2),
            Loss("binary_cross_entropy", "labels"),
            Loss("squared_error", "values"),
            Loss("huber", "values"),
        )
    }
)


def checked_loss(value: Any) -> str:
    """Return the loss's name; errors as `checked_choice`."""
    return checked_choice("loss", value, LOSSES)
