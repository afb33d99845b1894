"""The losses by name: and which targets each takes.

Their arithmetic is the kernels'. A loss takes the outputs of a linear last layer and applies
softmax or sigmoid itself, which is the numerically safe place for it.
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
    """What the rest of the library needs to know of a loss.

    Attributes
    ----------
    name : str
        The name by which a network asks for it.
    kind : {"classes", "labels", "values"}
        Its targets: one class index per sample, 0/1 for each of several labels, or real values.
    min_outputs : int
        The fewest output units that it makes sense for.

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
    """Return the loss's name, or say which are known."""
    return checked_choice("loss", value, LOSSES)
