"""Who trains when: options, the pure task, the graph, the merge, the loop."""

from __future__ import annotations

from dask_horn.training.events import Callback, RunStart
from dask_horn.training.history import History, RoundRecord, TrainingResult
from dask_horn.training.loop import run, train, training_graph
from dask_horn.training.options import TrainingOptions
from dask_horn.training.prepare import Settled

__all__ = [
    "Callback",
    "History",
    "RoundRecord",
    "RunStart",
    "Settled",
    "TrainingOptions",
    "TrainingResult",
    "run",
    "train",
    "training_graph",
]
