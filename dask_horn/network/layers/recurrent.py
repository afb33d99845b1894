"""What the recurrent layers have in common: shapes, tensors, padding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from dask_horn.checks import checked_bool, checked_integer, checked_mask_value
from dask_horn.network.elements.parameters import TensorSpec
from dask_horn.network.elements.signals import Signal
from dask_horn.network.layers.dropconnect import DropConnected


@dataclass(frozen=True, repr=False)
class Recurrent(DropConnected):
    """Base of the layers that go through a sequence step by step and keep a state.

    Samples have the shape (steps, features). ``W`` of shape (features, gates, units) multiplies the
    features, ``U`` of shape (units, gates, units) the previous state, and ``b`` is the bias. The
    units form a unit axis with the layer's name and are divided with all their gates: the units of
    a sub-model see only each other's states. DropConnect drops entries of ``U``.

    Attributes
    ----------
    n_gates : int
        Number of gates of each unit; a class attribute.
    initial_biases : tuple of float
        Initial value of each row of ``b``; a class attribute.
    """

    n_gates: ClassVar[int]
    initial_biases: ClassVar[tuple[float, ...]]

    units: int
    return_sequences: bool = field(default=False, kw_only=True)
    mask_value: float | None = field(default=None, kw_only=True)
    use_bias: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        set_field = object.__setattr__
        set_field(self, "units", checked_integer("units", self.units, 1))
        for name in ("return_sequences", "use_bias"):
            set_field(self, name, checked_bool(name, getattr(self, name)))
        set_field(self, "mask_value", checked_mask_value(self.mask_value))

    def outputs(self, inputs: Signal) -> Signal:
        """Return the state after each step, or after the last; see `Layer.outputs`."""
        if len(inputs.shape) != 2:
            kind = type(self).__name__
            raise ValueError(
                f"{kind} takes samples of shape (steps, features), got the shape {inputs.shape}; "
                f"use input_shape=(steps, features) for the network, and return_sequences=True for "
                f"a recurrent layer before it"
            )
        steps = inputs.shape[:1] if self.return_sequences else ()
        return Signal((*steps, self.units), self.given_name)

    def tensors(self, inputs: Signal) -> tuple[TensorSpec, ...]:
        """Return ``W``, ``U`` and, with `use_bias`, ``b``; see `Layer.tensors`."""
        weights = (
            self._weight("W", inputs.units, inputs.axis, inputs.rows, self._initial_activation),
            # The wider start of a rectifier would add to the state's variance in each step.
            self._weight("U", self.units, self.given_name, inputs.rows, "tanh"),
        )
        return (*weights, self._bias(inputs.units)) if self.use_bias else weights

    def _weight(
        self, letter: str, fan_in: int, source: str, steps: int, activation: str
    ) -> TensorSpec:
        name = self.given_name
        return TensorSpec(
            f"{name}/{letter}",
            (fan_in, self.n_gates, self.units),
            (source, None, name),
            fan_in=fan_in,
            fan_out=self.units,
            activation=activation,
            decays=True,
            source=source,
            uses=steps,
        )

    def _bias(self, fan_in: int) -> TensorSpec:
        name, fill = self.given_name, self.initial_biases
        return TensorSpec(
            f"{name}/b",
            (len(fill), self.units),
            (None, name),
            fan_in=fan_in,
            fan_out=self.units,
            activation=self._initial_activation,
            decays=False,
            fill=fill,
        )

    @property
    def _initial_activation(self) -> str:
        """The activation by which the initial values of ``W`` are chosen."""
        return "tanh"
