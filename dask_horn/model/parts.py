"""What a trained model consists of, and nothing of how it predicts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dask_horn.data import Standardizer, Targets
from dask_horn.model.calibration import check_temperature
from dask_horn.network import Network


@dataclass(frozen=True, eq=False)
class ModelParts:
    """The parts of a `Model`, which documents them; a store reads and writes these.

    Raises
    ------
    TypeError, ValueError
        If no model can have the temperature, or the statistics are not those of the network.
    """

    network: Network
    parameters: NDArray[np.float32]
    standardizer: Standardizer
    targets: Targets
    temperature: float = 1.0
    statistics: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    device: str = "cpu"
    predicts_on: str = "cpu"

    def __post_init__(self) -> None:
        check_temperature(self.temperature, self.targets.kind)
        wanted = (self.network.statistics.size,)
        if self.statistics.shape != wanted:
            raise ValueError(
                f"statistics must have the shape {wanted} of network.statistics, got "
                f"{self.statistics.shape}; a model that train returns has them"
            )
