"""The fully connected layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dask_horn.network.activations import checked_activation
from dask_horn.network.layers.base import Layer
from dask_horn.network.parameters import Shape, TensorSpec
from dask_horn.network.validation import checked_integer

__all__ = ["Dense"]


@dataclass(frozen=True, repr=False)
class Dense(Layer):
    """A fully connected layer: ``activation(x @ W + b)``.

    Its tensors are ``W`` of shape (in, units) and ``b`` of shape (units,); its units are a unit
    axis of the layer's name.

    Attributes
    ----------
    units : int
        Number of units, at least 1.
    activation : str, default "linear"
        One of relu, tanh, sigmoid, gelu, leaky_relu (slope 0.01) and linear.
    use_bias : bool, default True
        Whether a bias is added.
    name : str, optional
        Letters, digits and underscores. Left out, the network fills in ``dense_1``, ``dense_2``
        and so on, and ``output`` for its last layer.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type, or the activation is not known.

    Examples
    --------
    >>> layer = Dense(800, activation="relu")
    >>> layer
    Dense(800, activation='relu')
    >>> layer.output_shape((784,))
    (800,)
    """

    kind: ClassVar[str] = "dense"
    input_rank: ClassVar[int | None] = 1

    units: int
    activation: str = "linear"
    use_bias: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "units", checked_integer("units", self.units, 1))
        object.__setattr__(self, "activation", checked_activation(self.activation))
        if not isinstance(self.use_bias, bool | np.bool_):
            raise TypeError(
                f"use_bias must be True or False, "
                f"got {self.use_bias!r} ({type(self.use_bias).__name__})."
            )
        object.__setattr__(self, "use_bias", bool(self.use_bias))

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(units,)``; see `Layer.output_shape`."""
        if len(input_shape) != 1:
            raise ValueError(
                f"Dense takes samples of one dimension, got the shape {input_shape}; "
                f"put a Flatten before it."
            )
        return (self.units,)

    def output_axis(self, input_axis: str) -> str:
        """Return the layer's name: its units are an axis of their own."""
        return _given(self.name)

    def tensors(self, input_shape: Shape, input_axis: str) -> tuple[TensorSpec, ...]:
        """Return ``W`` and, with `use_bias`, ``b``; see `Layer.tensors`."""
        name = _given(self.name)
        (n_inputs,) = input_shape
        fans = (n_inputs, self.units)
        weight = TensorSpec(
            f"{name}/W", fans, (input_axis, name), *fans, self.activation, decays=True
        )
        bias = TensorSpec(f"{name}/b", (self.units,), (name,), *fans, self.activation, decays=False)
        return (weight, bias) if self.use_bias else (weight,)


def _given(name: str | None) -> str:
    if name is None:
        raise ValueError("name must be given before a layer's axis and tensors are asked for.")
    return name
