"""Where sub-models train: a preference of workers, which changes no result but the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Seat(NamedTuple):
    """A place for a task."""

    worker: str | None = None  #: address of the worker it prefers, None where any will do
    device: str = "cpu"  #: what runs its programs there


#: From (group, sub-model) to the seat of its training.
Placement = Callable[[int, int], Seat]


def spread(workers: Sequence[str], n_groups: int, device: str = "cpu") -> Placement:
    """Spread the groups over the workers, and each group over its own workers.

    Slices are then cut beside the parent, decoded chunks are shared, and trainings start at once.
    Without workers there is no preference.
    """

    def seat(group: int, submodel: int) -> Seat:
        if not workers:
            return Seat(None, device)
        if len(workers) <= n_groups:  # dealt in turn: equally many for each, give or take one
            return Seat(workers[(submodel * n_groups + group) % len(workers)], device)
        own = workers[group::n_groups]
        return Seat(own[submodel % len(own)], device)

    return seat
