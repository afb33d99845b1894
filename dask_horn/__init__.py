"""dask_horn trains wide neural networks on a Dask cluster, from samples in Zarr.

The public names are loaded when they are first used, so that importing the package is fast and
compiles nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dask_horn.data import open_samples, write_samples
    from dask_horn.errors import (
        ChunkReadError,
        DivergedError,
        HornError,
        ModelFormatError,
        ScratchError,
        WorkerLostError,
    )
    from dask_horn.estimators import HornClassifier, HornRegressor
    from dask_horn.model import Ensemble, Model, load
    from dask_horn.network import (
        GRU,
        LSTM,
        AveragePool2D,
        BatchNorm,
        Conv2D,
        Dense,
        Dropout,
        Embedding,
        Flatten,
        GlobalAveragePool2D,
        LayerNorm,
        MaxPool2D,
        Network,
        SimpleRNN,
    )
    from dask_horn.partition import Partition
    from dask_horn.records import Callback, History, RoundRecord
    from dask_horn.training import TrainingOptions, TrainingResult, train, training_graph

_HOMES = {
    "dask_horn.data": ("open_samples", "write_samples"),
    "dask_horn.errors": (
        "ChunkReadError",
        "DivergedError",
        "HornError",
        "ModelFormatError",
        "ScratchError",
        "WorkerLostError",
    ),
    "dask_horn.estimators": ("HornClassifier", "HornRegressor"),
    "dask_horn.model": ("Ensemble", "Model", "load"),
    "dask_horn.network": (
        "AveragePool2D",
        "BatchNorm",
        "Conv2D",
        "Dense",
        "Dropout",
        "Embedding",
        "Flatten",
        "GRU",
        "GlobalAveragePool2D",
        "LSTM",
        "LayerNorm",
        "MaxPool2D",
        "Network",
        "SimpleRNN",
    ),
    "dask_horn.partition": ("Partition",),
    "dask_horn.records": ("Callback", "History", "RoundRecord"),
    "dask_horn.training": ("TrainingOptions", "TrainingResult", "train", "training_graph"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "GRU",
    "LSTM",
    "AveragePool2D",
    "BatchNorm",
    "Callback",
    "ChunkReadError",
    "Conv2D",
    "Dense",
    "DivergedError",
    "Dropout",
    "Embedding",
    "Ensemble",
    "Flatten",
    "GlobalAveragePool2D",
    "History",
    "HornClassifier",
    "HornError",
    "HornRegressor",
    "LayerNorm",
    "MaxPool2D",
    "Model",
    "ModelFormatError",
    "Network",
    "Partition",
    "RoundRecord",
    "ScratchError",
    "SimpleRNN",
    "TrainingOptions",
    "TrainingResult",
    "WorkerLostError",
    "load",
    "open_samples",
    "train",
    "training_graph",
    "write_samples",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("dask-horn")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'dask_horn' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
