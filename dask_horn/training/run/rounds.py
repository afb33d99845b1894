"""The loop over the rounds of a run: submitted a few ahead, heard of, saved."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from dask_horn.errors import DivergedError
from dask_horn.model import Ensemble, Model
from dask_horn.records import Callback, History, RoundRecord, RoundReport, RunStart
from dask_horn.training.graph.parent import Parents
from dask_horn.training.graph.rounds import begin
from dask_horn.training.run.barrier import Barrier
from dask_horn.training.run.context import RunContext
from dask_horn.training.run.keeper import Keeper
from dask_horn.training.run.result import TrainingResult


@dataclass(frozen=True)
class _Submitted:
    """A round that is submitted: the handles of its parents and of its report."""

    round: int
    parents: Parents
    report: Any


class Rounds:
    """What is submitted of a run, and what is done.

    Parameters
    ----------
    run : RunContext
    keeper : Keeper
        Saves parents.
    barrier : Barrier
        Tells who is merged.
    listeners : Callback
        Hear of each round.
    """

    def __init__(
        self, run: RunContext, keeper: Keeper, barrier: Barrier, listeners: Callback
    ) -> None:
        self.run = run
        self.keeper = keeper
        self.barrier = barrier
        self.listeners = listeners
        self.history = History((), run.spec.device, run.spec.scoring_device)
        self.done: Parents = ()  # the last that are known to be good
        self._before = 0.0
        self._asked: str | None = None  # to stop, by whom

    def train(self, initial: Model | None) -> TrainingResult:
        """Do all rounds; return the model."""
        resumed = self.keeper.resume()
        if resumed is None:
            self.done = self.keeper.start(initial)
        else:
            self.done, self.history = resumed
        first, n_rounds = len(self.history), self.run.options.n_rounds
        spec = self.run.spec
        event = RunStart(spec.run, first, n_rounds, self._model, spec.device, spec.scoring_device)
        self.listeners.on_run_start(event)
        self._before = time.perf_counter()
        try:
            stopped = self._do_rounds(first)
        except DivergedError as error:
            error.model = self._model()
            error.history = self.history
            raise
        except KeyboardInterrupt:
            self._stop()
            raise
        if stopped:
            self._stop()
        result = self._result()
        self.listeners.on_run_end(result)
        return result

    def _do_rounds(self, first: int) -> bool:
        """Do the rounds from the first on; return whether there is a reason to stop early."""
        waiting: deque[_Submitted] = deque()
        parents, n_rounds = self.done, self.run.options.n_rounds
        next_round, stop = first, self.keeper.has_stalled(first)
        while not stop and (waiting or next_round < n_rounds):
            while next_round < n_rounds and self._may_submit(waiting):
                waiting.append(self._submit(next_round, parents))
                parents = waiting[-1].parents
                next_round += 1
            stop = self._finish(waiting.popleft())
            if not waiting:
                parents = self.done  # saved parents, where the lineage was cut
        return stop

    def _may_submit(self, waiting: deque[_Submitted]) -> bool:
        """Whether one more round may be submitted: not beyond a cut that is not made yet."""
        if len(waiting) >= self.run.executor.rounds_ahead:
            return False
        return not (waiting and self.keeper.is_cut(waiting[-1].round + 1))

    def _submit(self, round: int, parents: Parents) -> _Submitted:
        """Submit the trainings of a round, and the merge of those that the barrier lets in."""
        executor = self.run.executor
        spec = self.run.spec
        placement = executor.placement(spec.rounds[round].n_groups, spec.device)
        written = self.run.graphs.round(parents, round, placement)
        tasks, arrived = self.barrier.gather(executor, written)
        graph = tasks.merged(arrived)
        after, (report,) = begin(executor, graph.parents, graph.report)
        return _Submitted(round, after, report)

    def _finish(self, submitted: _Submitted) -> bool:
        """Wait for a round, record it, and save it where due; return whether to stop."""
        report: RoundReport = self.run.executor.result(submitted.report)
        now = time.perf_counter()
        record = RoundRecord.of(report, now - self._before)
        self._before = now
        self.history.append(record)
        self.done = submitted.parents
        if self.keeper.note_best(record):
            self.keeper.keep_best(self.done)
        if self.keeper.is_cut(record.round):
            self.done = self.keeper.save(self.done, self.history)
        try:
            self.listeners.on_round_end(record)
        except StopIteration as asked:
            self._asked = str(asked) or "a callback asked to stop"
            return True
        return self.keeper.has_stalled(record.round)

    def _stop(self) -> None:
        """Give up the rounds that are submitted, and save the last one that is done."""
        # These may be on their way from the checkpoint.
        kept = [part for parent in self.done for part in parent.parts]
        self.run.executor.cancel(keep=kept)
        self.done = self.keeper.save(self.done, self.history)

    def _model(self) -> Model | Ensemble:
        """Fetch the model as the last round that is done has left it."""
        return self.keeper.model(self.done)

    def _result(self) -> TrainingResult:
        """Fetch the parents as a model: the best, with early stopping, else the last."""
        best, rounds = self.keeper.best, len(self.history)
        parents = self.keeper.best_parents() or self.done
        is_complete = rounds == self.run.options.n_rounds or self.keeper.has_stalled(rounds)
        return TrainingResult(
            self.keeper.model(parents),
            self.history,
            best.round if best else None,
            None if is_complete else self._asked,
        )
