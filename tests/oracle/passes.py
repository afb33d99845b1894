"""What the passes of all kinds of layers have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dask_horn.network import Layer, PlacedLayer
from tests.oracle.arrays import Array, Arrays, tensor_of


@dataclass(frozen=True)
class Options:
    """What a pass through a network depends on besides parameters and samples."""

    scales: Mapping[str, float] = field(default_factory=dict)  # c of each tensor, 1 where missing
    masks: Mapping[str, Any] = field(default_factory=dict)  # what is KEPT, by a layer's name
    statistics: Mapping[str, ArrayLike] | None = None  # the population's; None for the batch's own
    seen: Arrays = field(default_factory=dict)  # the batch's own, which the passes leave here

    counted: Any = None  # which steps are no padding, bools (batch, steps); all where None

    def counted_of(self, batch: int, steps: int) -> NDArray[np.bool_]:
        every = np.ones((batch, steps), bool)
        return every if self.counted is None else np.asarray(self.counted).reshape(every.shape)

    def scale(self, tensor: str) -> float:
        return float(self.scales.get(tensor, 1.0))


#: From the gradient of the outputs to that of the inputs, and those of the layer's tensors.
Backward = Callable[[Array], tuple[Array, Arrays]]

#: ``layer_pass(placed, params, x, options)``: outputs, and the way back.
LayerPass = Callable[[PlacedLayer, Mapping[str, ArrayLike], Array, Options], tuple[Array, Backward]]

#: The pass of each kind of layer.
PASSES: dict[type[Layer], LayerPass] = {}


def passes(*kinds: type[Layer]) -> Callable[[LayerPass], LayerPass]:
    """Register a function as the pass of these kinds of layers."""

    def register(layer_pass: LayerPass) -> LayerPass:
        PASSES.update(dict.fromkeys(kinds, layer_pass))
        return layer_pass

    return register


__all__ = [
    "PASSES",
    "Array",
    "Arrays",
    "Backward",
    "LayerPass",
    "Options",
    "passes",
    "tensor_of",
]
