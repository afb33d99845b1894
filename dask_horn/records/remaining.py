"""How long the rounds that are left will take, as far as the rounds before can tell."""

from __future__ import annotations

from collections.abc import Sequence

from dask_horn.records.events import RunBegun
from dask_horn.records.rounds import RoundRecord
from dask_horn.records.words import length_of_time

_RECENT = 20  # rounds of a kind, whose mean is what the next will take
_LONG = 10.0  # seconds of a first round that is mostly training, whatever was made ready in it


class Remaining:
    """Estimates the time that is left of a run.

    Rounds with as many groups and sub-models take equally long, so what is left is estimated kind
    by kind; kinds that are still to come take as long as the last ones did, as the rounds of a
    default run do. In the first round that this process sees, samples are read for the first time
    and workers get ready: it is left out once there is another, and before that only a long one
    tells anything.

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
        self._seen: list[RoundRecord] = []

    @classmethod
    def of(cls, event: RunBegun) -> Remaining:
        """Estimate for a run that has just begun."""
        may_end_early = bool(event.settings.get("early_stopping"))
        return cls(len(event.plans), event.plans, may_end_early=may_end_early)

    def note(self, record: RoundRecord) -> None:
        """Hear that a round is done."""
        self._seen.append(record)

    def seconds(self) -> float | None:
        """Return how long the rounds that are left will take; None as long as nothing tells."""
        if not self._seen:
            return None
        done = self._seen[-1].round
        if len(self._seen) == 1:
            first = self._seen[0].seconds
            return first * (self._n_rounds - done) if first >= _LONG else None
        measured = self._seen[1:]
        usual = _mean(measured, (measured[-1].n_groups, measured[-1].n_submodels))
        if not self._plans:
            return usual * (self._n_rounds - done)
        coming = self._plans[done:]
        took = {plan: _mean(measured, plan) or usual for plan in set(coming)}
        return sum(took[plan] for plan in coming)

    def words(self) -> str:
        """Say how much time is left; nothing where it is not known, or none is."""
        seconds = self.seconds()
        if not seconds:
            return ""
        if seconds < 1:
            return "less than 1 s left"
        bound = "at most " if self._may_end_early else ""
        return f"{bound}{length_of_time(seconds)} left"


def _mean(records: Sequence[RoundRecord], plan: tuple[int, int]) -> float:
    """Return how long the last rounds of a kind took on average; 0 if there are none."""
    alike = [one.seconds for one in records if (one.n_groups, one.n_submodels) == plan][-_RECENT:]
    return sum(alike) / len(alike) if alike else 0.0
