"""What the recurrent layers have in common: shapes, tensors, padding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from dask_horn.checks import checked_bool, checked_integer, checked_mask_value
from dask_horn.network.layers.dropconnect import DropConnected
from dask_horn.network.parameters import TensorSpec
from dask_horn.network.signals import Signal

__all__ = ["Recurrent"]


@dataclass(frozen=True, repr=False)
class Recurrent(DropConnected):
    """Base of the layers that go through a sequence step by step and keep a state.

    Samples are of shape (steps, features). The tensors are ``W`` of shape (features, gates, units)
    on the step's features, ``U`` of shape (units, gates, units) on the state before it, and
    ``b``. The units are a unit axis of the layer's name, and are divided with all their gates:
    a sub-model's units see each other's states and no others'. DropConnect drops entries of ``U``.

    Attributes
    ----------
    n_gates : int
        Sums of each unit; of the class.
    """

    n_gates: ClassVar[int]

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
                f"give the network input_shape=(steps, features), and a recurrent layer before it "
                f"return_sequences=True"
            )
        steps = inputs.shape[:1] if self.return_sequences else ()
        return Signal((*steps, self.units), self.given_name)

    def tensors(self, inputs: Signal) -> tuple[TensorSpec, ...]:
        """Return ``W``, ``U`` and, with `use_bias`, ``b``; see `Layer.tensors`."""
        weights = (
            self._weight("W", inputs.units, inputs.axis, inputs.rows, self._initial_activation),
            # A rectifier's wider start would add as much to the state's variance in each step.
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
            fan_in,
            self.units,
            activation,
            decays=True,
            source=source,
            uses=steps,
        )

    def _bias(self, fan_in: int) -> TensorSpec:
        name, fill = self.given_name, self._bias_fill
        return TensorSpec(
            f"{name}/b",
            (len(fill), self.units),
            (None, name),
            fan_in,
            self.units,
            self._initial_activation,
            decays=False,
            fill=fill,
        )

    @property
    def _initial_activation(self) -> str:
        """The activation that the first values of ``W`` suit."""
        return "tanh"

    @property
    def _bias_fill(self) -> tuple[float, ...]:
        """What each row of ``b`` starts with."""
        return (0.0,) * self.n_gates
