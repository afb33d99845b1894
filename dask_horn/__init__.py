"""dask_horn trains wide neural networks on a Dask cluster, from samples in Zarr.

The public names are loaded when they are first used, so that importing the package is fast and
compiles nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dask_horn.data import open_samples as open_samples
    from dask_horn.data import write_samples as write_samples
    from dask_horn.diagnostics import JSONLines as JSONLines
    from dask_horn.diagnostics import MLflow as MLflow
    from dask_horn.diagnostics import TensorBoard as TensorBoard
    from dask_horn.errors import ChunkReadError as ChunkReadError
    from dask_horn.errors import DivergedError as DivergedError
    from dask_horn.errors import HornError as HornError
    from dask_horn.errors import ModelFormatError as ModelFormatError
    from dask_horn.errors import SchedulerLostError as SchedulerLostError
    from dask_horn.errors import ScratchError as ScratchError
    from dask_horn.errors import StoppedError as StoppedError
    from dask_horn.errors import StoreError as StoreError
    from dask_horn.errors import WaitTimeoutError as WaitTimeoutError
    from dask_horn.errors import WorkerLostError as WorkerLostError
    from dask_horn.estimators import HornClassifier as HornClassifier
    from dask_horn.estimators import HornRegressor as HornRegressor
    from dask_horn.model import Ensemble as Ensemble
    from dask_horn.model import Model as Model
    from dask_horn.model import load as load
    from dask_horn.network import Network as Network
    from dask_horn.network.layers.kinds import *  # noqa: F403
    from dask_horn.partition import Partition as Partition
    from dask_horn.records import Callback as Callback
    from dask_horn.records import History as History
    from dask_horn.records import RoundRecord as RoundRecord
    from dask_horn.training import StopFile as StopFile
    from dask_horn.training import StopOnSignal as StopOnSignal
    from dask_horn.training import TrainingOptions as TrainingOptions
    from dask_horn.training import TrainingResult as TrainingResult
    from dask_horn.training import train as train
    from dask_horn.training import training_graph as training_graph

# The public names, and where each is: loaded by `__getattr__`.
_HOMES = {
    "dask_horn.data": ("open_samples", "write_samples"),
    "dask_horn.diagnostics": ("JSONLines", "MLflow", "TensorBoard"),
    "dask_horn.errors": (
        "ChunkReadError",
        "DivergedError",
        "HornError",
        "ModelFormatError",
        "SchedulerLostError",
        "ScratchError",
        "StoppedError",
        "StoreError",
        "WaitTimeoutError",
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
        "MissingIndicator",
        "Network",
        "Periodic",
        "PiecewiseLinear",
        "SimpleRNN",
    ),
    "dask_horn.partition": ("Partition",),
    "dask_horn.records": ("Callback", "History", "RoundRecord"),
    "dask_horn.training": (
        "StopFile",
        "StopOnSignal",
        "TrainingOptions",
        "TrainingResult",
        "train",
        "training_graph",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("dask-horn")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'dask_horn' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
