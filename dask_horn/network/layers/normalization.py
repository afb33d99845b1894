"""The tensors that normalizing layers have in common."""

from __future__ import annotations

from dask_horn.network.elements.parameters import TensorSpec
from dask_horn.network.elements.signals import Signal

__all__ = ["scale_and_shift"]


def scale_and_shift(name: str, inputs: Signal) -> tuple[TensorSpec, TensorSpec]:
    """Return γ, which starts at 1, and β, which starts at 0: a value for each of the last axis."""
    shape = (*inputs.grid, inputs.units)
    axes = (*(None for _ in inputs.grid), inputs.axis)
    gamma = TensorSpec(
        f"{name}/gamma", shape, axes, 1, 1, "linear", decays=False, uses=inputs.rows, fill=(1.0,)
    )
    return gamma, TensorSpec(f"{name}/beta", shape, axes, 1, 1, "linear", decays=False)
