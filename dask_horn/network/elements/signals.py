"""What flows between layers: its shape, and the unit axis of its last dimension."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dask_horn.network.elements.parameters import Shape


@dataclass(frozen=True)
class Signal:
    """One sample between two layers of a network.

    Attributes
    ----------
    shape : tuple of int
        The shape, units last: ``(units,)``, ``(steps, units)`` or ``(height, width, channels)``.
    axis : str
        The unit axis of the last dimension.
    grid : tuple of int
        Shape of the grid of positions that a `Flatten` has laid end to end, if any. The last
        dimension then counts positions times units, the units of a position side by side.
    appended : int
        Of the last dimension, the values that encodings have appended to the network's inputs.

    Examples
    --------
    >>> flat = Signal((2 * 3 * 8,), "conv2d_1", grid=(2, 3))
    >>> flat.units, flat.size
    (8, 48)
    >>> flat.restricted({"conv2d_1": 5}).shape
    (30,)
    """

    shape: Shape
    axis: str
    grid: Shape = ()
    appended: int = 0

    @property
    def size(self) -> int:
        """Number of values of one sample."""
        return math.prod(self.shape)

    @property
    def rows(self) -> int:
        """Number of vectors in one sample: its positions or steps."""
        return math.prod(self.shape[:-1])

    @property
    def width(self) -> int:
        """Length of the last dimension."""
        return self.shape[-1]

    @property
    def plain(self) -> int:
        """Values of the last dimension that no encoding has appended: they come first."""
        return self.width - self.appended

    @property
    def units(self) -> int:
        """Number of units of the axis."""
        return self.width // math.prod(self.grid)

    def restricted(self, sizes: Mapping[str, int]) -> Signal:
        """Return the signal in a sub-model with so many units of each axis in `sizes`."""
        # Before it is flattened or encoded, the input has fewer units than the first weight counts.
        units = min(sizes.get(self.axis, self.units), self.units)
        return replace(self, shape=(*self.shape[:-1], math.prod(self.grid) * units))
