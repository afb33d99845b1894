"""Where sub-models train: a preference of workers, which changes no result but the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Seat(NamedTuple):
    """A place for a task."""

    worker: str | None = None  #: address of the worker it prefers, None where any will do
    device: str = "cpu"  #: what runs its programs there
    memory: int | None = None  #: bytes that programs may take there; None where it is the host's
    among: tuple[str, ...] = ()  #: all workers that have the device; empty where any has it


#: From (group, sub-model) to the seat of its training.
Placement = Callable[[int, int], Seat]


def spread(seats: Sequence[Seat], n_groups: int) -> Placement:
    """Spread the groups over workers, one seat for each, and each group over its own workers.

    Slices are then cut beside the parent, decoded chunks are shared, and trainings start at once.
    """

    def seat(group: int, submodel: int) -> Seat:
        if len(seats) <= n_groups:  # dealt in turn: equally many for each, give or take one
            return seats[(submodel * n_groups + group) % len(seats)]
        own = seats[group::n_groups]
        return own[submodel % len(own)]

    return seat
