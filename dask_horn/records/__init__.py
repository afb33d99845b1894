"""What a run tells: reports of its tasks, events, and the history of its rounds.

Numbers and dataclasses only, so that a process without numba, zarr or dask can load it.
"""

from __future__ import annotations

from dask_horn.records.activity import Activity, beat, doing, forget_beats
from dask_horn.records.callbacks import Callback, CallbackList, RunStart
from dask_horn.records.columns import check_replaceable
from dask_horn.records.events import (
    Event,
    Preparing,
    Remark,
    RoundMerged,
    RunBegun,
    RunEnded,
    StoreRetried,
    SubmodelProgress,
    TaskDone,
    TaskLost,
    Waiting,
)
from dask_horn.records.history import History
from dask_horn.records.remaining import Remaining, left_in_words, seconds_left
from dask_horn.records.rounds import RoundRecord, RoundReport
from dask_horn.records.score import Score, add_scores
from dask_horn.records.submodel import SubmodelId, SubmodelReport
from dask_horn.records.telling import set_teller, tell
from dask_horn.records.words import length_of_time, number_of_rounds, numbers_of, short_loss

__all__ = [
    "Activity",
    "Callback",
    "CallbackList",
    "Event",
    "History",
    "Preparing",
    "Remaining",
    "Remark",
    "RoundMerged",
    "RoundRecord",
    "RoundReport",
    "RunBegun",
    "RunEnded",
    "RunStart",
    "Score",
    "StoreRetried",
    "SubmodelId",
    "SubmodelProgress",
    "SubmodelReport",
    "TaskDone",
    "TaskLost",
    "Waiting",
    "add_scores",
    "beat",
    "check_replaceable",
    "doing",
    "forget_beats",
    "left_in_words",
    "length_of_time",
    "number_of_rounds",
    "numbers_of",
    "seconds_left",
    "set_teller",
    "short_loss",
    "tell",
]
