"""Programs: a network and the units a sub-model holds, written as a table of operations."""

from __future__ import annotations

from dask_horn.program.build import (
    PREDICTION_BATCH,
    prediction_program,
    statistics_program,
    submodel_scales,
    training_program,
)
from dask_horn.program.optimizers import RULES, Optimizer, Rule

__all__ = [
    "PREDICTION_BATCH",
    "RULES",
    "Optimizer",
    "Rule",
    "prediction_program",
    "statistics_program",
    "submodel_scales",
    "training_program",
]
