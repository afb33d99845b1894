"""What a network's layers say of its samples: padding, steps, and how they are standardized."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from dask_horn.network.layers import Embedding, Recurrent
from dask_horn.network.placed import PlacedLayer

__all__ = ["Standardizing"]

#: Whether statistics are those of each feature, or of each unit over all positions, or none.
Standardizing = Literal["features", "units", "none"]

# A mean over steps of a mean over labels is nobody's wish so far.
_LOSSES_PER_STEP = ("cross_entropy", "squared_error", "huber")


def check_sequences(placed_layers: Sequence[PlacedLayer], loss: str) -> None:
    """Say where tokens, padding or targets per step are asked for but cannot be had."""
    for placed in placed_layers[1:]:
        if isinstance(placed.layer, Embedding):
            raise ValueError(
                f"an Embedding must be the first of the layers, got {placed.layer!r} after others"
            )
    for layer in _recurrent(placed_layers)[1:]:
        if layer.mask_value is not None:
            raise ValueError(
                f"mask_value is for the first recurrent layer, those above it pass over the same "
                f"steps; got it in {layer!r}"
            )
    if placed_layers[-1].outputs.rows > 1 and loss not in _LOSSES_PER_STEP:
        raise ValueError(
            f"an output on each step needs one of the losses {', '.join(_LOSSES_PER_STEP)}, "
            f"got {loss!r}; or leave out the last return_sequences=True"
        )


def mask_value_of(placed_layers: Sequence[PlacedLayer]) -> float | None:
    """Return what all features of a step that is padding equal, in the units of the data."""
    recurrent = _recurrent(placed_layers)
    return recurrent[0].mask_value if recurrent else None


def standardizing_of(placed_layers: Sequence[PlacedLayer]) -> Standardizing:
    """Return whose statistics the samples are standardized by."""
    first = next(placed for placed in placed_layers if placed.tensors)
    if isinstance(first.layer, Embedding):
        return "none"
    return "units" if len(first.inputs.shape) > 1 else "features"


def _recurrent(placed_layers: Sequence[PlacedLayer]) -> list[Recurrent]:
    return [placed.layer for placed in placed_layers if isinstance(placed.layer, Recurrent)]
