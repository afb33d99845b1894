"""Programs: a network and the units a sub-model holds, written as a table of operations."""

from __future__ import annotations

from dask_horn.program.assembler import Program
from dask_horn.program.build import (
    PREDICTION_BATCH,
    prediction_program,
    statistics_program,
    submodel_scales,
    training_program,
)
from dask_horn.program.execution import Execution, warm_up
from dask_horn.program.optimizers import OPTIMIZERS, Optimizer

__all__ = [
    "OPTIMIZERS",
    "PREDICTION_BATCH",
    "Execution",
    "Optimizer",
    "Program",
    "prediction_program",
    "statistics_program",
    "submodel_scales",
    "training_program",
    "warm_up",
]
