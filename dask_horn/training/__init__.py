"""Who trains when: the plan of a run, its tasks, their graph, and the loop over rounds."""

from __future__ import annotations

from dask_horn.training.plan.options import TrainingOptions
from dask_horn.training.plan.prepare import Given, Settled, TrainingData
from dask_horn.training.run.loop import run, train, training_graph
from dask_horn.training.run.result import TrainingResult
from dask_horn.training.run.stops import QUEUE_SIGNALS, StopFile, StopOnSignal

__all__ = [
    "QUEUE_SIGNALS",
    "Given",
    "Settled",
    "StopFile",
    "StopOnSignal",
    "TrainingData",
    "TrainingOptions",
    "TrainingResult",
    "run",
    "train",
    "training_graph",
]
