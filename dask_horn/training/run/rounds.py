"""The rounds of a run: submitted a few ahead, heard of, saved; the lineage is cut."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from dask.delayed import Delayed, delayed

from dask_horn.cluster import Executor, Placement, remove_folder
from dask_horn.errors import DivergedError
from dask_horn.model import Model
from dask_horn.records import Callback, History, RoundRecord, RoundReport, RunStart
from dask_horn.training.graph.rounds import Parents, begin, round_graph, start_graph, whole_parents
from dask_horn.training.graph.saving import Saved, load_graph, part_name, save_graph, spill_graph
from dask_horn.training.graph.stages import Parent, turned
from dask_horn.training.plan.options import TrainingOptions
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.run.checkpoint import Checkpoint
from dask_horn.training.run.result import TrainingResult
from dask_horn.training.tasks.merge import ParentState
from dask_horn.training.tasks.storage import models_of, spill_state

__all__ = ["Rounds", "shared_spec"]


@dataclass(frozen=True)
class _Submitted:
    """A round that is submitted: the handles of its parents and of its report."""

    round: int
    parents: Parents
    report: Any


class Rounds:
    """One run: what is submitted, what is done, what is best."""

    def __init__(
        self,
        spec: RunSpec,
        options: TrainingOptions,
        executor: Executor,
        listeners: Callback,
        checkpoint: Checkpoint | None,
        scratch: str | None,
    ) -> None:
        self.spec = spec
        self.options = options
        self.executor = executor
        self.listeners = listeners
        self.checkpoint = checkpoint
        self.scratch = scratch
        self.history = History(device=spec.device)
        self.shared = executor.submit(shared_spec(spec))[0]  # once, not with every round's graph
        self.done: Parents = ()  # the last that are known to be good
        self.best: _Best | None = None
        self._spilled: dict[str, str] = {}  # what lies in the scratch folder, by its name
        self._numbers = itertools.count()  # of the times that parents are put together
        self._before = 0.0

    def train(self, initial: Model | None) -> TrainingResult:
        """Do all rounds; return the model."""
        first, parents = self._start(initial)
        self.done = parents
        self.listeners.on_run_start(
            RunStart(self.spec.run, first, self.options.n_rounds, lambda: self._model(self.done))
        )
        self._before = time.perf_counter()
        waiting: deque[_Submitted] = deque()
        next_round, stop = first, self._has_stalled(first)
        try:
            while not stop and (waiting or next_round < self.options.n_rounds):
                while next_round < self.options.n_rounds and self._may_submit(waiting):
                    waiting.append(self._submit(next_round, parents))
                    parents = waiting[-1].parents
                    next_round += 1
                stop = self._finish(waiting.popleft())
                if not waiting:
                    parents = self.done  # saved parents, where the lineage was cut
        except DivergedError as error:
            error.model = self._model(self.done)
            error.history = self.history
            raise
        except KeyboardInterrupt:
            self._stop()
            raise
        if stop:
            self._stop()
        result = self._result()
        self.listeners.on_run_end(result)
        return result

    def _start(self, initial: Model | None) -> tuple[int, Parents]:
        """Find the first round to do, and the parents it starts from."""
        found = self.checkpoint.latest() if self.checkpoint else None
        if found is not None and self.checkpoint is not None:
            first, self.history = found
            for record in self.history:
                location = self.checkpoint.best_location(record.round)
                self._note_best(record, Saved(location, record.round))
            return first, self._load(Saved(self.checkpoint.round_location(first), first))
        if initial is None:
            return 0, begin(self.executor, start_graph(self.spec, self.shared, self._homes()))[0]
        start = ParentState.start(initial.parameters, momentum=self.spec.has_outer_momentum)
        if self.scratch is not None:  # parameters reach the workers through a store
            location = spill_state(f"{self.scratch}/initial", part_name(0, 0), start)
            return 0, self._load(Saved(location, 0, n_parts=1))
        lazy = delayed(start, name=f"start-{self.spec.run}")
        return 0, begin(self.executor, (Parent((lazy,)),))[0]

    def _load(self, saved: Saved) -> Parents:
        """Read saved parents: what comes after depends on nothing before."""
        placement = self._places(saved.round) if saved.divided else self._homes()
        loaded = load_graph(self.spec, self.shared, saved, placement)
        return begin(self.executor, tuple(Parent(parts, saved.divided) for parts in loaded))[0]

    def _homes(self) -> Placement:
        """Say where each parent is put together."""
        return self.executor.placement(self.spec.n_parents)

    def _places(self, rounds: int) -> Placement:
        """Say where each part stays: from (lineage, sub-model), after that many rounds."""
        plan = self.spec.rounds[rounds - 1]
        placement = self.executor.placement(plan.n_groups)
        return lambda lineage, m: placement(turned(plan.lineages[lineage], m)[0], m)

    def _may_submit(self, waiting: deque[_Submitted]) -> bool:
        """Whether one more round may be submitted: not beyond a cut that is not made yet."""
        if len(waiting) >= self.executor.rounds_ahead:
            return False
        return not (waiting and self._is_cut(waiting[-1].round + 1))

    def _is_cut(self, rounds: int) -> bool:
        """Whether the parents after that many rounds are saved."""
        if rounds == self.options.n_rounds:
            return self.checkpoint is not None
        due = rounds % self.options.checkpoint_every == 0
        return due and (self.checkpoint is not None or self.executor.cuts_lineage)

    def _submit(self, round: int, parents: Parents) -> _Submitted:
        placement = self.executor.placement(self.spec.rounds[round].n_groups)
        graph = round_graph(
            self.spec, self.shared, parents, round, placement=placement, homes=self._homes()
        )
        after, (report,) = begin(self.executor, graph.parents, graph.report)
        return _Submitted(round, after, report)

    def _finish(self, submitted: _Submitted) -> bool:
        """Wait for a round, record it, and save it where due; return whether to stop."""
        report: RoundReport = self.executor.result(submitted.report)
        now = time.perf_counter()
        record = RoundRecord.of(report, now - self._before)
        self._before = now
        self.history.append(record)
        self.done = submitted.parents
        if self._note_best(record):
            self._keep_best()
        if self._is_cut(record.round):
            self._save(record.round)
        try:
            self.listeners.on_round_end(record)
        except StopIteration:
            return True
        return self._has_stalled(record.round)

    def _stop(self) -> None:
        """Give up the rounds that are submitted, and save the last one that is done."""
        # These may be on their way from the checkpoint.
        self.executor.cancel(keep=[part for parent in self.done for part in parent.parts])
        self._save(len(self.history))

    def _save(self, rounds: int) -> None:
        """Save the parents that are done, and let the next round start from what is saved."""
        if not rounds or rounds != len(self.history):
            return
        if self.checkpoint is not None:
            latest = self.checkpoint.latest()
            if latest is not None and latest[0] == rounds:
                return
            if self.best is not None and self.best.saved is None:
                self._keep_best()  # Ctrl-C came while it was being saved
            saved = self._save_whole(self.checkpoint.round_location(rounds), rounds)
            self.checkpoint.commit(rounds, self.history, self.best.round if self.best else None)
        elif self.executor.cuts_lineage:
            saved = self._spill("rounds", rounds)
        else:
            return  # nobody would read it
        if self.executor.cuts_lineage and rounds < self.options.n_rounds:
            self.done = self._load(saved)

    def _save_whole(self, location: str, rounds: int) -> Saved:
        """Have a worker write the parents that are done; wait until they are there."""
        wholes = self._wholes(self.done)
        task = save_graph(self.spec, self.shared, location, wholes, self._homes())
        self.executor.result(self.executor.submit(task)[0])
        return Saved(location, rounds)

    def _spill(self, name: str, rounds: int) -> Saved:
        """Store the parents that are done in the scratch folder, instead of those before."""
        location, parent = f"{self.scratch}/{name}-{rounds:05d}", self.done[0]
        saved = Saved(location, rounds, len(parent.parts), parent.divided)
        placement = self._places(rounds) if parent.divided else self._homes()
        tasks = spill_graph(self.spec, saved, self.done, placement)
        for written in self.executor.submit(*tasks):
            self.executor.result(written)
        if name in self._spilled:
            remove_folder(self._spilled[name])
        self._spilled[name] = location
        return saved

    def _wholes(self, parents: Parents) -> tuple[Any, ...]:
        """Put parents together, with all that they predict with."""
        as_they_are = not self.spec.network.statistics
        if as_they_are and all(len(parent.parts) == 1 for parent in parents):
            return tuple(part for parent in parents for part in parent.parts)
        number, homes = next(self._numbers), self._homes()
        return self.executor.submit(*whole_parents(self.spec, self.shared, parents, number, homes))

    def _note_best(self, record: RoundRecord, saved: Saved | None = None) -> bool:
        """Remember the round with the best validation score; return whether it is this one.

        `saved` are its parents, where they are saved already.
        """
        score = record.validation_score
        if not self.options.early_stopping or score is None:
            return False
        if not score > (self.best.score if self.best else -math.inf):  # no NaN is ever the best
            return False
        self.best = _Best(record.round, score, None, saved)
        return True

    def _keep_best(self) -> None:
        """Save the best parents, those of the last round, where this process would not do."""
        assert self.best is not None, "a best round was noted"
        if self.checkpoint is not None:
            location = self.checkpoint.best_location(self.best.round)
            saved = self._save_whole(location, self.best.round)
        elif self.executor.cuts_lineage:
            saved = self._spill("best", self.best.round)
        else:
            self.best = dataclasses.replace(self.best, parents=self.done)
            return
        self.best = dataclasses.replace(self.best, saved=saved)

    def _has_stalled(self, rounds: int) -> bool:
        if self.best is None:
            return False
        return rounds - self.best.round >= self.options.n_iter_no_change

    def _model(self, parents: Parents) -> Any:
        wholes = self._wholes(parents)
        return models_of(self.spec, [self.executor.result(whole) for whole in wholes])

    def _result(self) -> TrainingResult:
        """Fetch the parents as a model: the best, with early stopping, else the last."""
        best = self.best
        if best is None:
            return TrainingResult(self._model(self.done), self.history)
        parents = self._load(best.saved) if best.saved else best.parents or self.done
        return TrainingResult(self._model(parents), self.history, best.round)


@dataclass(frozen=True)
class _Best:
    """The round with the best validation score so far.

    Attributes
    ----------
    round : int
        Counted from 1.
    score : float
    parents : tuple or None
        Handles of its parents, where they are kept in this process.
    saved : Saved or None
        Where they are saved, else.
    """

    round: int
    score: float
    parents: Parents | None
    saved: Saved | None = None


def shared_spec(spec: RunSpec) -> Delayed:
    """Make the spec a task of its own: sent to each worker once, not with every task."""
    return delayed(spec, name=f"run-{spec.run}", traverse=False)
