"""The map of the division: a band for each group, and in it a rectangle for each sub-model.

Its width is the sub-model's share of the units. Joining unites neighbours, K parts become K/2, so
the outer edges of joined parts stay where they were: they grow together.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise

from dask_horn.diagnostics.page.kept import Cell, Progress
from dask_horn.diagnostics.page.state import Run

MOST = 1500  #: rectangles; of more groups the first are drawn


@dataclass(frozen=True)
class Rectangle:
    """A sub-model on the map.

    Attributes
    ----------
    group, submodel : int
        Counted from 0.
    left, right : float
        Units of the divided axes before it, and with it.
    fraction : float
        Of its steps in this round that are done.
    worker : str
        Address; empty while nobody is known to train it.
    loss, loss_before : float or None
        Of this round, so far, and of the last one before where as many were trained.
    seconds : float or None
        How long it has trained.
    """

    group: int
    submodel: int
    left: float
    right: float
    fraction: float
    worker: str
    loss: float | None
    loss_before: float | None
    seconds: float | None


@dataclass(frozen=True)
class Division:
    """The map of one round.

    Attributes
    ----------
    round : int
        Counted from 1; 0 where there is none yet.
    n_groups, n_submodels : int
    is_merged : bool
    rectangles : tuple of Rectangle
    """

    round: int
    n_groups: int
    n_submodels: int
    is_merged: bool
    rectangles: tuple[Rectangle, ...]


NOTHING = Division(0, 0, 0, False, ())


def division(run: Run) -> Division:
    """Map the round that is being trained; the last merged one where nothing is heard of it."""
    number = _round_at_work(run)
    merged = run.rounds.get(number)
    is_merged = merged is not None and number == getattr(run.newest, "round", 0)
    shape = _shape(run, number)
    if shape is None:
        return NOTHING
    n_groups, n_submodels = shape
    training = {place: one for place, one in run.training.items() if one.round + 1 == number}
    if is_merged and merged is not None:
        training = {place: one for place, one in training.items() if one.time > merged.time}
    drawn = min(n_groups, max(1, MOST // n_submodels))
    done = {} if merged is None or not is_merged else _by_place(merged.cells)
    before = _by_place(_cells_before(run, number))
    told = [one.units for one in training.values()] + [one.units for one in done.values()]
    told = [units for units in told if units]
    typical = sum(told) / len(told) if told else 1.0
    rectangles = [
        one
        for group in range(drawn)
        for one in _band(group, n_submodels, training, done, before, typical)
    ]
    return Division(number, n_groups, n_submodels, is_merged and not training, tuple(rectangles))


def _round_at_work(run: Run) -> int:
    """Return the round that trainings told of last, or that was merged last; 0 for none."""
    newest = run.newest
    last = max(run.training.values(), key=lambda one: (one.time, one.round), default=None)
    merged, at = (0, 0.0) if newest is None else (newest.round, newest.time)
    if last is not None and (last.round + 1 > merged or last.time > at):
        return last.round + 1
    if merged:
        return merged
    return 0 if run.begun is None else int(run.begun["first_round"]) + 1


def _shape(run: Run, number: int) -> tuple[int, int] | None:
    """Return the groups and sub-models of a round."""
    if number in run.rounds:
        return run.rounds[number].n_groups, run.rounds[number].n_submodels
    if 0 < number <= len(run.plans):
        return run.plans[number - 1]
    told = [place for place, one in run.training.items() if one.round + 1 == number]
    if not told:
        return None
    return 1 + max(group for group, _ in told), 1 + max(submodel for _, submodel in told)


def _cells_before(run: Run, number: int) -> tuple[Cell, ...]:
    """Return the sub-models of the last round before that one: it may not be merged yet."""
    known = [n for n, one in run.rounds.items() if n < number and one.cells]
    return run.rounds[max(known)].cells if known else ()


def _by_place(cells: tuple[Cell, ...]) -> dict[tuple[int, int], Cell]:
    return {(cell.group, cell.submodel): cell for cell in cells}


def _band(
    group: int,
    n_submodels: int,
    training: dict[tuple[int, int], Progress],
    done: dict[tuple[int, int], Cell],
    before: dict[tuple[int, int], Cell],
    typical: float,
) -> list[Rectangle]:
    """Draw one group's sub-models side by side."""
    earlier = [cell for (of, _), cell in sorted(before.items()) if of == group]
    same = len(earlier) == n_submodels
    widths = [width or typical for width in _widths(group, n_submodels, training, done, earlier)]
    edges = pairwise(accumulate(widths, initial=0.0))
    band = []
    for submodel, (left, right) in enumerate(edges):
        told, cell = training.get((group, submodel)), done.get((group, submodel))
        if told is not None:
            fraction, worker, loss = told.fraction, told.worker, told.loss
            seconds: float | None = told.seconds
        elif cell is not None:
            fraction, worker, loss, seconds = 1.0, cell.worker, cell.loss, cell.seconds
        else:
            fraction, worker, loss, seconds = 0.0, "", None, None
        loss_before = earlier[submodel].loss if same else None
        band.append(
            Rectangle(group, submodel, left, right, fraction, worker, loss, loss_before, seconds)
        )
    return band


def _widths(
    group: int,
    n_submodels: int,
    training: dict[tuple[int, int], Progress],
    done: dict[tuple[int, int], Cell],
    earlier: list[Cell],
) -> list[float]:
    """Return each sub-model's units: as told, or as follows from before; 0 where not known."""
    guess = _joined([float(cell.units) for cell in earlier], n_submodels)
    widths = []
    for submodel in range(n_submodels):
        told = training.get((group, submodel)) or done.get((group, submodel))
        widths.append(float(told.units) if told is not None and told.units else guess[submodel])
    return widths


def _joined(units: list[float], n_submodels: int) -> list[float]:
    """Unite neighbours, as joining does; zeros where that does not come out even."""
    if not units or len(units) % n_submodels:
        return [0.0] * n_submodels
    size = len(units) // n_submodels
    return [sum(units[first : first + size]) for first in range(0, len(units), size)]
