"""Where sub-models go: a preference, which changes no result but the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["ANYWHERE", "Placement", "Seat", "anywhere", "spread"]


class Seat(NamedTuple):
    """A place for a task."""

    worker: str | None  #: address of the worker it prefers, None where any will do
    device: str  #: what runs its programs there


#: Any worker's processor.
ANYWHERE = Seat(None, "cpu")

#: From (group, sub-model) to the seat that its training prefers.
Placement = Callable[[int, int], Seat]


def anywhere(group: int, submodel: int) -> Seat:
    """Prefer no worker: a placement."""
    return ANYWHERE


def spread(workers: Sequence[str], n_groups: int) -> Placement:
    """Spread the groups over the workers, and each group over its own workers.

    Slices are then cut beside the parent, decoded chunks are shared, and trainings start at once.
    """
    if not workers:
        return anywhere

    def prefer(group: int, submodel: int) -> Seat:
        if len(workers) <= n_groups:  # dealt in turn: equally many for each, give or take one
            return Seat(workers[(submodel * n_groups + group) % len(workers)], "cpu")
        own = workers[group::n_groups]
        return Seat(own[submodel % len(own)], "cpu")

    return prefer
