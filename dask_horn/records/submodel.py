"""Which sub-model, and what its training tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class SubmodelId(NamedTuple):
    """One sub-model in one round; all counted from 0."""

    round: int
    group: int
    submodel: int


@dataclass(frozen=True)
class SubmodelReport:
    """What a sub-model's training tells about itself.

    Attributes
    ----------
    group, submodel : int
    loss : float
        Mean training loss over the round, dropout and division included.
    samples : int
        Samples seen, repeats counted: the sub-model's weight in the merge.
    seconds : float
        Wall time in the task, shared out evenly where it trained several.
    bytes_to_worker, bytes_from_worker : int
        Size of the slice and of the delta, where they travel between workers; 0 where the part of
        the parent stays on the worker that trains it.
    worker : str
        Address of the worker that trained it; empty without a cluster.
    together : int
        How many sub-models the task trained.
    started : float
        When its task began, in seconds since 1970 on that worker.
    units : int
        Of the divided axes, those that it holds.
    """

    group: int
    submodel: int
    loss: float
    samples: int
    seconds: float
    bytes_to_worker: int
    bytes_from_worker: int
    worker: str = ""
    together: int = 1
    started: float = 0.0
    units: int = 0
