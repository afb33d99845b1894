"""The loop over the rounds of a run: submitted a few ahead, heard of, saved."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from dask_horn.errors import (
    DivergedError,
    HornError,
    SchedulerLostError,
    StoppedError,
    UnsharedError,
    WaitTimeoutError,
    WorkerLostError,
)
from dask_horn.model import Ensemble, Model
from dask_horn.records import History, RoundMerged, RoundRecord, RoundReport, RunStart
from dask_horn.training.graph.parent import Parents
from dask_horn.training.graph.rounds import begin
from dask_horn.training.run.announcer import Announcer
from dask_horn.training.run.barrier import Barrier
from dask_horn.training.run.begun import begun
from dask_horn.training.run.context import RunContext
from dask_horn.training.run.keeper import Keeper
from dask_horn.training.run.result import TrainingResult

_MAX_FAILURES = 4  # in a row, without a round saved in between
_HASTE = 120.0  # seconds without progress after which a run that is to stop is not saved

logger = logging.getLogger("dask_horn")


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
    announcer : Announcer
        Tells how it gets on.
    """

    def __init__(
        self, run: RunContext, keeper: Keeper, barrier: Barrier, announcer: Announcer
    ) -> None:
        self.run = run
        self.keeper = keeper
        self.barrier = barrier
        self.announcer = announcer
        self.history = History((), run.spec.device, run.spec.scoring_device)
        self.done: Parents = ()  # the last that are known to be good
        self._told = 0  # rounds that listeners have heard of
        self._ends: int | None = None  # the round after which one of them asked to stop
        self._before = 0.0
        self._asked: str | None = None  # to stop, by whom

    def train(self) -> TrainingResult:
        """Do all rounds; return the model, and tell of the end, whatever it is."""
        try:
            result = self._trained()
        except BaseException as error:
            self.run.executor.cancel()
            saved = None if self.keeper.checkpoint is None else self._cut
            self.announcer.failed(error, len(self.history), saved)
            raise
        self.announcer.ended(result)
        return result

    def _trained(self) -> TrainingResult:
        """Do all rounds, or as many as somebody wants; return the model."""
        resumed = self.keeper.resume()
        if resumed is None:
            self.done = self.keeper.start()
        else:
            self.done, self.history = resumed
        self._told = first = len(self.history)
        self._settle()
        n_rounds, spec = self.run.options.n_rounds, self.run.spec
        event = RunStart(spec.run, first, n_rounds, self._model, spec.device, spec.scoring_device)
        self.announcer.listeners.on_run_start(event)
        self._before = time.perf_counter()
        try:
            self.announcer.tell(begun(self.run, first))
            return self._finished()
        except DivergedError as error:
            error.model = self._model()
            error.history = self.history
            raise
        except KeyboardInterrupt:
            self._stop_in_haste()
            raise
        except StoppedError as asked:
            return self._stopped(asked)

    def _finished(self) -> TrainingResult:
        """Do the rounds that are left, from the last cut on again where the cluster was lost."""
        left, lost = _MAX_FAILURES, None
        while True:
            before = self._cut
            try:
                if lost is not None:
                    self._go_back(lost)
                if self._do_rounds(len(self.history)):
                    self._stop()
                return self._result()
            except (WorkerLostError, SchedulerLostError, UnsharedError) as error:
                left, lost = _MAX_FAILURES if self._cut > before else left - 1, error
                if not left:
                    raise
                logger.warning("%s; going back to round %d", error, self._cut + 1)

    @property
    def _cut(self) -> int:
        """Rounds that are done and saved."""
        return 0 if self.keeper.cut is None else self.keeper.cut.round

    def _go_back(self, error: HornError) -> None:
        """Begin again after the last cut."""
        self.run.executor.recover()
        if isinstance(error, UnsharedError):
            self.keeper.hold()
        self.run = self.run.next_attempt()
        self.done = self.keeper.go_back(self.run)
        self.history = self.history[: self._cut]

    def _stop_in_haste(self) -> bool:
        """Save the last round that is done, unless the cluster keeps us waiting."""
        self.run.executor.hurry(_HASTE)
        try:
            self._stop()
        except (WorkerLostError, SchedulerLostError, WaitTimeoutError) as error:
            logger.warning("%s; only what was saved before is kept: round %d", error, self._cut)
            return False
        return True

    def _stopped(self, asked: StoppedError) -> TrainingResult:
        """Return what there is of a run that was to stop while it waited."""
        self._asked = str(asked)
        if self._stop_in_haste():
            return self._result()
        model = self.keeper.saved_model()
        if model is None:
            raise StoppedError(f"{asked}, and no round was saved that could be returned") from None
        best = self.keeper.best
        history = self.history[: self._cut]
        return TrainingResult(model, history, best.round if best else None, self._asked)

    def _do_rounds(self, first: int) -> bool:
        """Do the rounds from the first on; return whether there is a reason to stop early."""
        waiting: deque[_Submitted] = deque()
        parents, n_rounds = self.done, self.run.options.n_rounds
        next_round, stop = first, first == self._ends or self.keeper.has_stalled(first)
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
        """Whether one more round may be submitted: not beyond a cut that is not made yet.

        Nor beyond the first rounds, whose loss settles how the later ones train.
        """
        if len(waiting) >= self.run.executor.rounds_ahead:
            return False
        if not waiting:
            return True
        done = waiting[-1].round + 1
        return not (self.keeper.is_cut(done) or self.run.spec.settles_after(done))

    def _settle(self) -> None:
        """Settle what follows from the loss of the first rounds, once they are done."""
        noise = self.run.spec.noise
        if (
            noise is None
            or self.run.spec.decay is not None
            or len(self.history) < noise.first_rounds
        ):
            return
        self.run = self.run.settled(self.history[noise.first_rounds - 1].loss)
        self.keeper.run = self.run
        logger.info(
            "weight decay %.3g from round %d on, by the loss of the first rounds",
            self.run.spec.optimizer_in(noise.first_rounds).weight_decay,
            noise.first_rounds + 1,
        )

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
        self._settle()  # after both: who interrupts it saves what belongs together
        if self.keeper.note_best(record):
            self.keeper.keep_best(self.done)
        if self.keeper.is_cut(record.round):
            self.done = self.keeper.save(self.done, self.history)
        event = RoundMerged(run=self.run.spec.run, record=record)
        longest = max(one.seconds * one.together for one in report.submodels)
        self.run.executor.round_merged(event, longest * self._growth(record.round))
        return self._tell(record) or self.keeper.has_stalled(record.round)

    def _growth(self, rounds: int) -> float:
        """How many times as long the next round's trainings take, where sub-models are joined."""
        plans = self.run.spec.rounds[rounds - 1 : rounds + 1]
        return max(1.0, (plans[0].n_submodels / plans[-1].n_submodels) ** 2)

    def _tell(self, record: RoundRecord) -> bool:
        """Tell that a round is done, unless that was told before; return whether to stop."""
        if record.round <= self._told:  # the run has gone back: it comes to the same bits again
            return record.round == self._ends
        self._told = record.round
        try:
            self.announcer.listeners.on_round_end(record)
        except StopIteration as asked:
            self._asked, self._ends = str(asked) or "a callback asked to stop", record.round
        return record.round == self._ends

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
        all_done, stalled = rounds == self.run.options.n_rounds, self.keeper.has_stalled(rounds)
        return TrainingResult(
            self.keeper.model(parents),
            self.history,
            best.round if best else None,
            None if all_done or stalled else self._asked,
            stopped_early=stalled and not all_done,
        )
