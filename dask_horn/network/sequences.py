"""What a network's layers need of its samples: padding, steps, and how to standardize them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from dask_horn.network.layers import Embedding, Recurrent
from dask_horn.network.placed import PlacedLayer

#: By each feature's statistics, by each unit's over all positions, or not at all.
Standardizing = Literal["features", "units", "none"]

# Labels for each step are not supported.
_LOSSES_PER_STEP = ("cross_entropy", "squared_error", "huber")


def check_sequences(placed_layers: Sequence[PlacedLayer], loss: str) -> None:
    """Raise ValueError where tokens, padding or targets per step are not possible."""
    for placed in placed_layers[1:]:
        if isinstance(placed.layer, Embedding):
            raise ValueError(
                f"an Embedding must be the first layer, got {placed.layer!r} after others"
            )
    for layer in _recurrent(placed_layers)[1:]:
        if layer.mask_value is not None:
            raise ValueError(
                f"mask_value must be set in the first recurrent layer only, got {layer!r}; later "
                f"layers skip the same steps"
            )
    if placed_layers[-1].outputs.rows > 1 and loss not in _LOSSES_PER_STEP:
        raise ValueError(
            f"an output for each step needs one of the losses {', '.join(_LOSSES_PER_STEP)}, "
            f"got {loss!r}; change it, or the last return_sequences=True"
        )


def mask_value_of(placed_layers: Sequence[PlacedLayer]) -> float | None:
    """Return the value of all features of padding, as stored."""
    recurrent = _recurrent(placed_layers)
    return recurrent[0].mask_value if recurrent else None


def standardizing_of(placed_layers: Sequence[PlacedLayer]) -> Standardizing:
    """Return whose statistics standardize the samples; see `Network.standardizing`."""
    first = next(placed for placed in placed_layers if placed.tensors)
    if isinstance(first.layer, Embedding):
        return "none"
    return "units" if len(first.inputs.shape) > 1 else "features"


def _recurrent(placed_layers: Sequence[PlacedLayer]) -> list[Recurrent]:
    return [placed.layer for placed in placed_layers if isinstance(placed.layer, Recurrent)]
