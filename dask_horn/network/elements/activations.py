"""The activations by name: what a layer's `activation` may be.

The kernels compute them (`dask_horn.kernels.scalars`); here are the names.
"""

from __future__ import annotations

from typing import Any

from dask_horn.checks import checked_choice

# gelu is the exact form, x * (1 + erf(x / sqrt 2)) / 2, not its approximation by tanh.
ACTIVATIONS: tuple[str, ...] = ("relu", "tanh", "sigmoid", "gelu", "leaky_relu", "linear")


def checked_activation(value: Any) -> str:
    """Return the activation's name; errors as `checked_choice`."""
    if isinstance(value, str) and value == "softmax":
        raise ValueError(
            f"activation must be one of {', '.join(map(repr, ACTIVATIONS))}, got 'softmax'; leave "
            "the last layer 'linear', because the loss applies the softmax"
        )
    return checked_choice("activation", value, ACTIVATIONS)
