"""What every layer spec is: a frozen description that knows its shapes and its tensors.

A layer knows neither its neighbours nor how it is computed. A new kind of layer is one file with
one class here, a line in `kinds.py`, and its op rows and kernels on the floors above.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from dask_horn.checks import checked_name
from dask_horn.network.elements.parameters import TensorSpec
from dask_horn.network.elements.signals import Signal


@dataclass(frozen=True, repr=False)
class Layer(ABC):
    """Base of the layer specs.

    Attributes
    ----------
    name : str or None
        The layer's name, which is also its unit axis and the prefix of its tensors. By default the
        network chooses one.
    kind : str
        The layer's kind in a model's JSON and in automatic names; a class attribute.
    flattens_input : bool
        Whether the layer takes the network's input as one row, whatever its shape; a class
        attribute.
    """

    kind: ClassVar[str]
    flattens_input: ClassVar[bool] = False

    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", checked_name(self.name))

    @abstractmethod
    def outputs(self, inputs: Signal) -> Signal:
        """Return the layer's output for an input; the layer must have a name.

        Raises
        ------
        ValueError
            If the layer does not take inputs of that shape.
        """

    def tensors(self, inputs: Signal) -> tuple[TensorSpec, ...]:
        """Return the layer's tensors, not yet placed in a vector; the layer must have a name."""
        return ()

    def statistics(self, inputs: Signal) -> tuple[TensorSpec, ...]:
        """Return the tensors that are measured on samples, not trained, and used in prediction.

        With the values of `TensorSpec.fill` they have no effect.
        """
        return ()

    @property
    def measures(self) -> bool:
        """Whether the layer has tensors whose values are `measured`."""
        return False

    def measured(
        self, inputs: Signal, samples: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float32]]:
        """Return the values of tensors that are measured before training, by the tensors' names.

        `samples` are standardized rows, (n, n_inputs), with NaN where a value is missing.
        """
        return {}

    @property
    def given_name(self) -> str:
        """The name; an error if the layer has none yet."""
        if self.name is None:
            raise ValueError("name must be set before outputs and tensors can be computed")
        return self.name

    def renamed(self, name: str | None) -> Self:
        """Return the same layer under another name, or without one."""
        return dataclasses.replace(self, name=name)

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain values for JSON: its kind and every field."""
        return {"kind": self.kind, **dataclasses.asdict(self)}

    def __repr__(self) -> str:
        shown = []
        for item in sorted(dataclasses.fields(self), key=_place_in_repr):
            value = getattr(self, item.name)
            if item.default is MISSING:
                shown.append(repr(value))
            elif value != item.default:
                shown.append(f"{item.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _place_in_repr(item: dataclasses.Field[Any]) -> tuple[bool, bool]:
    """Positional arguments first, the name last."""
    return bool(item.kw_only), item.name == "name"
