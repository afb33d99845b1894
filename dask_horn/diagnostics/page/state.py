"""What the page knows of the runs: reduced from their records, whatever order they come in.

Of what can be told of one thing twice (a round that is done again after the run has gone back, a
training's progress) the newest record holds. So the same records give the same state in any order,
and a record that comes twice changes nothing. Records travel as plain values and are read as such:
a field or a kind that a newer client tells is let be.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dask_horn.diagnostics.page.kept import (
    Done,
    Notice,
    Progress,
    Round,
    Values,
    done_of,
    notice_of,
    progress_of,
    round_of,
)

RUNS = 8  #: that are kept, the newest
ROUNDS = 1000  #: of a run; where there are more, neighbours of the older half are put together
CELLS = 2000  #: sub-models of merged rounds, of a run: the newest rounds'
TRAININGS = 2000  #: whose progress is kept, of a run
TASKS = 1000  #: other tasks, of a run
NOTICES = 100  #: of a run


class Run:
    """What is known of one run.

    Attributes
    ----------
    run : str
        Its id.
    first, last : float
        When the first and the last of its records was told, in seconds since 1970.
    begun, ended, preparing, waiting : dict or None
        The newest `RunBegun`, `RunEnded`, `Preparing` and `Waiting`, as they travel.
    rounds : dict
        `Round` by its number, counted from 1.
    training : dict
        The newest `Progress` by group and sub-model, both counted from 0.
    tasks : dict
        `Done` by what it is: merges and scores.
    notices : dict
        `Notice` likewise: tasks that were lost, stores that were read again.
    workers : dict
        When each was first known to do something, by address.
    """

    def __init__(self, run: str) -> None:
        self.run = run
        self.first = float("inf")
        self.last = 0.0
        self.begun: Values | None = None
        self.ended: Values | None = None
        self.preparing: Values | None = None
        self.waiting: Values | None = None
        self.rounds: dict[int, Round] = {}
        self.training: dict[tuple[int, int], Progress] = {}
        self.tasks: dict[Any, Done] = {}
        self.notices: dict[Any, Notice] = {}
        self.workers: dict[str, float] = {}

    def heard(self, values: Values) -> None:
        """Take a record in; KeyError, TypeError or ValueError where it cannot be read."""
        take = _TAKES.get(values["kind"])
        if take is not None:
            time = float(values["time"])
            take(self, values)
            self.first, self.last = min(self.first, time), max(self.last, time)

    @property
    def plans(self) -> tuple[tuple[int, int], ...]:
        """Groups and sub-models of each round; empty where the beginning was missed."""
        return () if self.begun is None else tuple(map(tuple, self.begun["plans"]))

    @property
    def newest(self) -> Round | None:
        """The round that was told last: not the highest, where the run has gone back."""
        return max(self.rounds.values(), key=lambda one: (one.time, one.round), default=None)

    @property
    def scores(self) -> bool:
        """Whether rounds are scored."""
        return any(one.score is not None for one in self.rounds.values())

    @property
    def best(self) -> Round | None:
        """The round whose model is the best, as far as scores or the run's end tell."""
        told = None if self.ended is None else self.ended.get("best_round")
        if told in self.rounds:
            return self.rounds[told]
        scored = [
            one
            for one in self.rounds.values()
            if one.score is not None and not math.isnan(one.score)
        ]
        return max(scored, key=lambda one: (one.score, -one.round), default=None)

    def numbers(self) -> dict[str, int]:
        """Give the workers numbers, in the order in which they have come."""
        ordered = sorted(self.workers, key=lambda address: (self.workers[address], address))
        return {address: number for number, address in enumerate(ordered)}

    def _begins(self, values: Values) -> None:
        tuple(map(tuple, values["plans"]))
        self.begun = _newer(self.begun, values)

    def _ends(self, values: Values) -> None:
        str(values["message"])
        self.ended = _newer(self.ended, values)

    def _prepares(self, values: Values) -> None:
        str(values["what"])
        self.preparing = _newer(self.preparing, values)

    def _waits(self, values: Values) -> None:
        str(values["what"])
        self.waiting = _newer(self.waiting, values)

    def _merges(self, values: Values) -> None:
        new = round_of(values)
        before = self.rounds.get(new.round)
        covered = any(
            one.round - one.covers < new.round < one.round
            for one in self.rounds.values()
            if one.covers > 1
        )
        if covered or (before is not None and (before.covers > 1 or before.time > new.time)):
            return
        self.rounds[new.round] = new
        for cell in new.cells:
            self._works(cell.worker, cell.started or new.ended)
        self._drop_cells()
        if len(self.rounds) > ROUNDS:
            self._thin()

    def _drop_cells(self) -> None:
        """Keep the newest rounds' sub-models, of one round at least."""
        kept = 0
        for one in sorted(self.rounds.values(), key=lambda one: (-one.time, -one.round)):
            if kept and kept + len(one.cells) > CELLS and one.cells:
                self.rounds[one.round] = replace(one, cells=())
            kept += len(one.cells)

    def _thin(self) -> None:
        """Put neighbours together in the older half, the second into the first's place."""
        old = sorted(self.rounds)[: ROUNDS // 2]
        for first, second in zip(old[::2], old[1::2], strict=False):
            self.rounds[second] = _together(self.rounds.pop(first), self.rounds[second])

    def _progresses(self, values: Values) -> None:
        new = progress_of(values)
        place = new.group, new.submodel
        before = self.training.get(place)
        self._works(new.worker, new.time - new.seconds)
        if before is None or (before.time, before.steps) <= (new.time, new.steps):
            self.training[place] = new
        _bound(self.training, TRAININGS, lambda one: one.time)

    def _does(self, values: Values) -> None:
        new = done_of(values)
        self.tasks[new.stage, new.worker, new.round, new.started] = new
        self._works(new.worker, new.started)
        # A fifth at a time: whoever draws them sends what is left anew.
        _bound(self.tasks, TASKS, lambda one: one.started)

    def _goes_wrong(self, values: Values) -> None:
        new = notice_of(values)
        self.notices[new.kind, new.worker, new.time, new.words] = new
        _bound(self.notices, NOTICES, lambda one: one.time)

    def _works(self, worker: str, time: float) -> None:
        if worker:
            self.workers[worker] = min(time, self.workers.get(worker, time))


_TAKES: dict[str, Callable[[Run, Values], None]] = {
    "RunBegun": Run._begins,
    "RunEnded": Run._ends,
    "Preparing": Run._prepares,
    "Waiting": Run._waits,
    "RoundMerged": Run._merges,
    "SubmodelProgress": Run._progresses,
    "TaskDone": Run._does,
    "TaskLost": Run._goes_wrong,
    "StoreRetried": Run._goes_wrong,
}


class State:
    """What is known of the newest runs.

    Attributes
    ----------
    runs : dict
        `Run` by its id; records that belong to no run are those of the id "".
    version : int
        Grows with each record that is taken in.

    Examples
    --------
    >>> from dask_horn.records import Preparing
    >>> state = State()
    >>> state.heard(Preparing(run="ab12", what="compiling", time=1.0).to_dict())
    >>> state.newest.preparing["what"]
    'compiling'
    """

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.version = 0

    def heard(self, values: Any) -> None:
        """Take a record in, as it travels; nothing happens where it cannot be read."""
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError, IndexError):
            if values["kind"] not in _TAKES:
                return
            name = str(values["run"])
            run = self.runs.get(name) or Run(name)
            run.heard(values)
            self.runs[name] = run
            self.version += 1
            if len(self.runs) > RUNS:
                del self.runs[min(self.runs, key=lambda name: self.runs[name].last)]

    @property
    def newest(self) -> Run | None:
        """The run that began last."""
        return next(iter(self.newest_first()), None)

    def newest_first(self) -> list[Run]:
        """Return the runs, but for what belongs to none."""
        runs = [run for name, run in self.runs.items() if name]
        return sorted(runs, key=lambda run: (-run.first, run.run))


def _newer(before: Values | None, values: Values) -> Values:
    if before is not None and float(before["time"]) > float(values["time"]):
        return before
    return values


def _together(first: Round, second: Round) -> Round:
    """Return the second of two neighbours, with what the first has moved and taken."""
    return replace(
        second,
        covers=first.covers + second.covers,
        seconds=first.seconds + second.seconds,
        samples=first.samples + second.samples,
        bytes_moved=first.bytes_moved + second.bytes_moved,
        late=first.late + second.late,
        lowest=min(first.lowest, second.lowest),
        highest=max(first.highest, second.highest),
        cells=(),
    )


def _bound(kept: dict[Any, Any], most: int, age: Callable[[Any], float]) -> None:
    """Drop the oldest where there are too many."""
    if len(kept) > most:
        for key in sorted(kept, key=lambda key: age(kept[key]))[: most // 5]:
            del kept[key]
