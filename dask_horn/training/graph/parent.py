"""A parent between rounds, as the graph sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Parent:
    """A parent between rounds, as handles: Delayed, futures, or references within a graph.

    Attributes
    ----------
    parts : tuple of handles
        Of the whole parent, or of the parts that the sub-models of the last round were.
    divided : bool
        Whether it is in parts, be it a single one.
    cut : bool
        Whether the parts are newly cut, and have yet to travel to where they are trained.
    """

    parts: tuple[Any, ...]
    divided: bool = False
    cut: bool = False


Parents = tuple[Parent, ...]  # one, or each member's


def rotated(groups: Sequence[T], submodel: int) -> Sequence[T]:
    """Return the groups in the order of a sub-model, whose part stays where the first one trains.

    So the parts of a parent are shared out over the groups, and with them over the workers.
    """
    first = submodel % len(groups)
    return (*groups[first:], *groups[:first])
