"""Who trains when: options, the pure task, the graph, the merge, the loop."""

from __future__ import annotations

from dask_horn.training.loop import run, train, training_graph
from dask_horn.training.options import TrainingOptions
from dask_horn.training.prepare import Known
from dask_horn.training.result import TrainingResult

__all__ = [
    "Known",
    "TrainingOptions",
    "TrainingResult",
    "run",
    "train",
    "training_graph",
]
