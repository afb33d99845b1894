"""What layers with DropConnect have in common: the rate, and who shares a mask."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from dask_horn.checks import checked_choice, checked_number
from dask_horn.network.layers.base import Layer

#: Probabilities of masks for each weight are multiples of one over this.
KEEP_STEPS = 256

_MASKS = ("example", "batch")


@dataclass(frozen=True, repr=False)
class DropConnected(Layer):
    """Base of the layers whose single weights may be dropped in training.

    Attributes
    ----------
    dropconnect : float, default 0.0
        Probability that a weight is dropped, at least 0 and below 1.
    dropconnect_mask : {"example", "batch"}, default "example"
        Whether each example has its own mask, or all of a batch share one.
    """

    dropconnect: float = field(default=0.0, kw_only=True)
    dropconnect_mask: str = field(default="example", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        mask = checked_choice("dropconnect_mask", self.dropconnect_mask, _MASKS)
        rate = checked_number("dropconnect", self.dropconnect, at_least=0, below=1)
        object.__setattr__(self, "dropconnect", rate)
        object.__setattr__(self, "dropconnect_mask", mask)

    @property
    def keep_probability(self) -> float:
        """Probability that a weight is kept in training; 1 without dropconnect.

        It is ``1 - dropconnect``, rounded to a multiple of 1/256 and kept between 1/256 and
        255/256, because a mask is made of at most eight random bits per weight.
        """
        if self.dropconnect == 0:
            return 1.0
        return min(max(round(KEEP_STEPS * (1 - self.dropconnect)), 1), KEEP_STEPS - 1) / KEEP_STEPS

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain values; see `Layer.to_config`.

        DropConnect is left out where it is off: it is newer than the format, and so an earlier
        dask_horn still reads plain layers, and refuses only those with masks.
        """
        config = super().to_config()
        for item in dataclasses.fields(DropConnected):
            if item.name.startswith("dropconnect") and config[item.name] == item.default:
                del config[item.name]
        return config
