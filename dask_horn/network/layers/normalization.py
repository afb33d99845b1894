"""What the normalizing layers have in common: their settings, γ and β."""

from __future__ import annotations

from dataclasses import dataclass

from dask_horn.checks import checked_number
from dask_horn.network.elements.activations import checked_activation
from dask_horn.network.elements.parameters import TensorSpec
from dask_horn.network.elements.signals import Signal
from dask_horn.network.layers.base import Layer


@dataclass(frozen=True, repr=False)
class Normalizing(Layer):
    """Base of the layers that give values mean 0 and variance 1, then γ and β."""

    epsilon: float = 1e-5
    activation: str = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "epsilon", checked_number("epsilon", self.epsilon, above=0))
        object.__setattr__(self, "activation", checked_activation(self.activation))

    def outputs(self, inputs: Signal) -> Signal:
        """Return `inputs`; see `Layer.outputs`."""
        return inputs

    def tensors(self, inputs: Signal) -> tuple[TensorSpec, ...]:
        """Return ``gamma``, which starts at 1, and ``beta``, at 0: values for the last axis."""
        name, rows = self.given_name, inputs.rows
        shape = (*inputs.grid, inputs.units)
        axes = (*(None for _ in inputs.grid), inputs.axis)
        gamma = TensorSpec(
            f"{name}/gamma", shape, axes, 1, 1, "linear", decays=False, uses=rows, fill=(1.0,)
        )
        return gamma, TensorSpec(f"{name}/beta", shape, axes, 1, 1, "linear", decays=False)
