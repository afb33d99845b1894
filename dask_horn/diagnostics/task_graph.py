"""A training graph as few enough nodes to be looked at: tasks, or what they are folded into.

A graph of some rounds may have more tasks than anybody can look at, or Graphviz lay out. Then the
tasks of one stage in one group become one node, or those of one stage in a round; and where there
are still too many, only the first rounds are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

_UNDRAWN = ("options", "final")  # what all others hang on, and what only holds the results
_OF_NO_ROUND = ("initial-values",)
_OF_A_SUBMODEL = ("train", "gather", "delta")  # their places are (round, group, sub-model)
_OF_A_GROUP = ("take", "put")  # where each group draws a partition of its own
_EDGES = 4  # as many for each node at most: more are no lines but a wall
_WIDE = 24  # nodes of one stage beside each other: still readable in a wide window
_ROUNDS = 3  # that are drawn where not all can be


class Place(NamedTuple):
    """Where a task belongs.

    Attributes
    ----------
    stage : str
    round : int or None
        Counted from 0; None before the first.
    group : int or None
        The group in whose box it stands, if any.
    words : str
        Which of its stage it is, such as ``"g0 s1"``.
    """

    stage: str
    round: int | None
    group: int | None
    words: str


@dataclass(frozen=True)
class Node:
    """What is drawn as one.

    Attributes
    ----------
    place : Place
        Of its first task.
    count : int
        Its tasks.
    is_folded : bool
        Whether it stands for all tasks of a stage, in a group or a round.
    """

    place: Place
    count: int
    is_folded: bool

    @property
    def label(self) -> str:
        """What is written in it."""
        stage = self.place.stage.replace("-", " ")
        if self.is_folded:
            return f"{stage} × {self.count}" if self.count > 1 else stage
        return f"{stage} {self.place.words}".strip()


@dataclass(frozen=True)
class Folded:
    """What is drawn of a graph.

    Attributes
    ----------
    nodes : mapping
        By a name that is the same in `edges`.
    edges : set of pair
        From what is needed to what needs it.
    n_rounds, n_left_out : int
        Rounds that are drawn, and rounds after them that are not.
    """

    nodes: Mapping[Hashable, Node]
    edges: frozenset[tuple[Hashable, Hashable]]
    n_rounds: int
    n_left_out: int

    def fits(self, most: int) -> bool:
        """Whether that can be laid out, in reasonable time, and looked at."""
        beside = Counter(node.place[:2] for node in self.nodes.values())
        few = len(self.nodes) <= most and max(beside.values(), default=0) <= _WIDE
        return few and len(self.edges) <= _EDGES * most


def fold(graph: Mapping[Any, Any], most: int) -> Folded:
    """Fold a training graph into so many nodes at most, as far as a round allows.

    Parameters
    ----------
    graph : mapping
        Tasks by key.
    most : int
        Nodes; a round is drawn by its stages even if these are more.

    Returns
    -------
    Folded
    """
    places = _places(graph)
    needed = {key: graph[key].dependencies for key in places}
    n_rounds = 1 + max((place.round or 0 for place in places.values()), default=0)
    for level in (_task, _stage_of_group, _stage_of_round):
        for shown in (n_rounds, min(_ROUNDS, n_rounds), 1):
            folded = _folded(places, needed, level, shown, n_rounds)
            if folded.fits(most):
                return folded
    return folded


def _places(graph: Iterable[Any]) -> dict[Any, Place]:
    """Read the keys of what is drawn."""
    from dask.utils import key_split

    keys = [(key, str(key_split(key))) for key in graph]
    counts = Counter(stage for _, stage in keys)
    return {
        key: _place(stage, key[1:], bool(counts["put"]), counts["initial-values"] > 1)
        for key, stage in keys
        if stage not in _UNDRAWN
    }


def _place(stage: str, place: tuple[Any, ...], redrawn: bool, members: bool) -> Place:
    """Read what follows the stage in a key."""
    if stage in _OF_NO_ROUND:
        return Place(stage, None, None, f"m{place[0]}" if members else "")
    round, *rest = place
    if stage in _OF_A_SUBMODEL or (redrawn and stage in _OF_A_GROUP):
        words = " ".join(f"{letter}{number}" for letter, number in zip("gs", rest, strict=False))
        return Place(stage, round, rest[0], words)
    if stage == "score":
        return Place(stage, round, None, str(rest[0]))
    if stage == "take":  # one for all groups, or for all of a member's
        return Place(stage, round, None, f"g{rest[0]} s{rest[1]}" if members else f"s{rest[1]}")
    letters = zip("ms", rest, strict=False) if stage != "record" else ()
    is_submodels = stage in ("send", "share") or (stage in ("merge", "update") and not redrawn)
    words = " ".join(
        f"{letter}{number}"
        for letter, number in letters
        if (members if letter == "m" else is_submodels)
    )
    return Place(stage, round, None, words)


def _task(key: Hashable, place: Place) -> Hashable:
    return key


def _stage_of_group(key: Hashable, place: Place) -> Hashable:
    return place[:3]


def _stage_of_round(key: Hashable, place: Place) -> Hashable:
    return place[:2]


def _folded(
    places: Mapping[Any, Place],
    needed: Mapping[Any, Iterable[Any]],
    level: Any,
    shown: int,
    n_rounds: int,
) -> Folded:
    """Fold the first rounds at one level."""
    names = {key: level(key, place) for key, place in places.items() if (place.round or 0) < shown}
    counts = Counter(names.values())
    firsts: dict[Hashable, Place] = {}
    for key, name in names.items():
        place = places[key]
        firsts.setdefault(name, place._replace(group=None) if level is _stage_of_round else place)
    edges = {
        (names[before], name)
        for key, name in names.items()
        for before in needed[key]
        if before in names and names[before] != name
    }
    nodes = {name: Node(firsts[name], n, level is not _task) for name, n in counts.items()}
    return Folded(nodes, frozenset(edges), shown, n_rounds - shown)
