"""How long the rounds that are left will take, as far as the rounds before can tell."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from dask_horn.records.events import RunBegun
from dask_horn.records.rounds import RoundRecord
from dask_horn.records.words import length_of_time

_RECENT = 5  # rounds of a kind, whose median is what the next will take
_LONG = 10.0  # seconds of a first round that is mostly training, whatever was made ready in it


def seconds_left(
    taken: Sequence[tuple[int, int, float]], coming: Sequence[tuple[int, int]]
) -> float | None:
    """Estimate how long rounds will take.

    Rounds with the same numbers of groups and sub-models are assumed to take equally long: the
    median of the last few. Those with other numbers are assumed to take as long as the last rounds,
    which is nearly so in a default run. The first round seen is left out once there is another, for
    samples are read for the first time in it; alone it counts only if it was long.

    Parameters
    ----------
    taken : sequence of tuple of int, int and float
        Groups, sub-models in each, and seconds of the rounds that were seen, in order.
    coming : sequence of pair of int
        Groups, and sub-models in each, of the rounds that are left.

    Returns
    -------
    float or None
        Seconds; None as long as nothing tells.

    Examples
    --------
    >>> seconds_left([(2, 4, 9.0), (2, 4, 1.0), (2, 4, 1.2), (2, 4, 8.0)], [(2, 4), (4, 1)])
    2.4
    """
    if not taken or (len(taken) == 1 and taken[0][-1] < _LONG):
        return None
    seconds: dict[tuple[int, int], list[float]] = {}
    for n_groups, n_submodels, took in taken[1:] or taken:
        seconds.setdefault((n_groups, n_submodels), []).append(took)
    usual = {kind: statistics.median(of_one[-_RECENT:]) for kind, of_one in seconds.items()}
    last = usual[taken[-1][:2]]
    return sum(usual.get(kind, last) for kind in coming)


def left_in_words(seconds: float, may_end_early: bool) -> tuple[str, str]:
    """Say a time that is left: how long it is, and the words behind it.

    Examples
    --------
    >>> left_in_words(240, True), left_in_words(0.2, True)
    (('4 min', 'left, or less'), ('less than 1 s', 'left'))
    """
    if seconds < 1:
        return "less than 1 s", "left"
    return length_of_time(seconds), "left, or less" if may_end_early else "left"


class Remaining:
    """Hears of the rounds of a run, and says how much time is left.

    Parameters
    ----------
    n_rounds : int
        Rounds in all.
    plans : sequence of pair of int, optional
        Groups, and sub-models in each, of every round, where that is known.
    may_end_early : bool, default False
        Whether fewer rounds may do.
    """

    def __init__(
        self,
        n_rounds: int,
        plans: Sequence[tuple[int, int]] = (),
        *,
        may_end_early: bool = False,
    ) -> None:
        self._n_rounds = n_rounds
        self._plans = tuple(plans)
        self._may_end_early = may_end_early
        self._done = 0
        self._taken: list[tuple[int, int, float]] = []

    @classmethod
    def of(cls, event: RunBegun) -> Remaining:
        """Estimate for a run that has just begun."""
        may_end_early = bool(event.settings.get("early_stopping"))
        return cls(len(event.plans), event.plans, may_end_early=may_end_early)

    def note(self, record: RoundRecord) -> None:
        """Hear that a round is done."""
        self._done = record.round
        self._taken.append((record.n_groups, record.n_submodels, record.seconds))

    def seconds(self) -> float | None:
        """Return how long the rounds that are left will take; None as long as nothing tells."""
        alike = [one[:2] for one in self._taken[-1:]] * (self._n_rounds - self._done)
        return seconds_left(self._taken, self._plans[self._done :] or alike)

    def words(self) -> str:
        """Say how much time is left; nothing where it is not known, or none is."""
        seconds = self.seconds()
        return " ".join(left_in_words(seconds, self._may_end_early)) if seconds else ""
