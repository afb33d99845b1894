"""What a network's layers say of its samples: padding, steps, and how they are standardized."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from dask_horn.network.layers import Embedding, Recurrent
from dask_horn.network.stages import Stage

__all__ = ["Standardizing"]

#: Whether statistics are those of each feature, or of each unit over all positions, or none.
Standardizing = Literal["features", "units", "none"]

# A mean over steps of a mean over labels is nobody's wish so far.
_LOSSES_PER_STEP = ("cross_entropy", "squared_error", "huber")


def check_sequences(stages: Sequence[Stage], loss: str) -> None:
    """Say where tokens, padding or targets per step are asked for but cannot be had."""
    for stage in stages[1:]:
        if isinstance(stage.layer, Embedding):
            raise ValueError(
                f"an Embedding must be the first of the layers, got {stage.layer!r} after others"
            )
    for layer in _recurrent(stages)[1:]:
        if layer.mask_value is not None:
            raise ValueError(
                f"mask_value is for the first recurrent layer, those above it pass over the same "
                f"steps; got it in {layer!r}"
            )
    if stages[-1].outputs.rows > 1 and loss not in _LOSSES_PER_STEP:
        raise ValueError(
            f"an output on each step needs one of the losses {', '.join(_LOSSES_PER_STEP)}, "
            f"got {loss!r}; or leave out the last return_sequences=True"
        )


def mask_value_of(stages: Sequence[Stage]) -> float | None:
    """Return what all features of a step that is padding equal, in the units of the data."""
    recurrent = _recurrent(stages)
    return recurrent[0].mask_value if recurrent else None


def standardizing_of(stages: Sequence[Stage]) -> Standardizing:
    """Return whose statistics the samples are standardized by."""
    first = next(stage for stage in stages if stage.tensors)
    if isinstance(first.layer, Embedding):
        return "none"
    return "units" if len(first.inputs.shape) > 1 else "features"


def _recurrent(stages: Sequence[Stage]) -> list[Recurrent]:
    return [stage.layer for stage in stages if isinstance(stage.layer, Recurrent)]
