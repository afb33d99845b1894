"""Missing values of the features: as 0 beside indicators."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from dask_horn.network.elements.signals import Signal
from dask_horn.network.layers.base import Layer


@dataclass(frozen=True, repr=False)
class MissingIndicator(Layer):
    """Stand-in of the layer."""

    kind: ClassVar[str] = "missing_indicator"
    flattens_input: ClassVar[bool] = True

    columns: tuple[int, ...] | None = None

    def outputs(self, inputs: Signal) -> Signal:
        """Return the columns, and one more for each indicator."""
        own = inputs.width if self.columns is None else len(self.columns)
        return replace(inputs, shape=(inputs.width + own,))
