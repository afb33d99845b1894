"""What a run tells: reports of its tasks, events, and the history of its rounds.

Numbers and dataclasses only, so that a process without numba, zarr or dask can load it.
"""

from __future__ import annotations

from dask_horn.records.events import Callback, CallbackList, RunStart
from dask_horn.records.history import History
from dask_horn.records.rounds import RoundRecord, RoundReport
from dask_horn.records.score import Score, add_scores
from dask_horn.records.submodel import SubmodelId, SubmodelReport

__all__ = [
    "Callback",
    "CallbackList",
    "History",
    "RoundRecord",
    "RoundReport",
    "RunStart",
    "Score",
    "SubmodelId",
    "SubmodelReport",
    "add_scores",
]
