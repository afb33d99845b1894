"""The training loop: submits rounds a few ahead, hears their reports, cuts the lineage."""

from __future__ import annotations

import atexit
import dataclasses
import math
import os
import time
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dask.delayed import Delayed, delayed

from dask_horn.cluster import Executor, current_executor, remove_folder
from dask_horn.errors import DivergedError
from dask_horn.model import Model
from dask_horn.network import LOSSES, Network
from dask_horn.training.checkpoint import Checkpoint, load_parent, models_of, save_parents
from dask_horn.training.events import Callback, CallbackList, RunStart
from dask_horn.training.graph import RoundReport, round_graph, start_graph
from dask_horn.training.history import History, RoundRecord, TrainingResult
from dask_horn.training.memory import kernels_of, memory_needed
from dask_horn.training.merge import ParentState
from dask_horn.training.options import TrainingOptions
from dask_horn.training.prepare import Known, make_spec, prepare_data
from dask_horn.training.spec import RunSpec

__all__ = ["run", "train", "training_graph"]


def train(
    network: Network,
    X: Any,
    y: Any = None,
    *,
    validation_data: Any = None,
    checkpoint: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Callback] = (),
    initial: Model | None = None,
    scratch: str | None = None,
    **settings: Any,
) -> TrainingResult:
    """Train a network by dividing it among workers, round after round.

    The work is done by the current `distributed.Client`'s cluster; where there is none, by
    Dask's threads in this process.

    Parameters
    ----------
    network : Network
        What to train.
    X : array-like, data frame, Dask array, Zarr array, or path or URL of a Zarr group
        Samples on axis 0. A group holds them as its array ``X``, and the targets as ``y``.
    y : likewise, optional
        Targets: labels of any kind for cross_entropy, 0 and 1 for binary_cross_entropy
        (n_samples, n_labels), numbers else. Left out where `X` is a group.
    validation_data : pair of (X, y), or path or URL, optional
        What the parent is scored on after each round.
    checkpoint : str, optional
        Path or URL of a folder. A run that finds its own checkpoint there goes on from it, to
        the same bits as if it had never stopped.
    callbacks : sequence of Callback
        Hear of each round.
    initial : Model, optional
        To go on from: its parameters, standardizer and classes are kept.
    scratch : str, optional
        Folder or URL that all workers share, for what is not in Zarr yet and for parents between
        rounds; by default Dask's temporary directory, where the workers share that.
    **settings
        The attributes of `TrainingOptions`, such as ``n_groups=4, n_submodels=4, n_rounds=30``.

    Returns
    -------
    TrainingResult
        The model (or ensemble) and the history.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        If an argument is wrong; before any training.
    DivergedError
        If a loss is no longer finite; its ``model`` is the last good one.
    ChunkReadError, ScratchError, WorkerLostError
        If a chunk cannot be read, the workers share no folder, or keep getting lost.

    Examples
    --------
    >>> import dask_horn as horn
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> network = horn.Network([horn.Dense(32, activation="relu"), horn.Dense(3)], input_shape=4)
    >>> result = horn.train(network, X, y, n_rounds=5)
    >>> result.model.predict(X[:3])
    array([0, 0, 0])
    """
    options = TrainingOptions.of(**settings)
    known = Known()
    if initial is not None:
        _check_initial(initial, network, options)
        known = Known(initial.standardizer, initial.targets)
    return run(
        network,
        X,
        y,
        options=options,
        known=known,
        validation_data=validation_data,
        checkpoint=checkpoint,
        callbacks=callbacks,
        initial=initial,
        scratch=scratch,
    )


def run(
    network: Network,
    X: Any,
    y: Any,
    *,
    options: TrainingOptions,
    known: Known,
    validation_data: Any = None,
    checkpoint: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Callback] = (),
    initial: Model | None = None,
    scratch: str | None = None,
) -> TrainingResult:
    """Train with options that are checked already; else as `train`."""
    options.submodels_by_round(network)  # too many sub-models are told before any data are read
    listeners = CallbackList(callbacks)
    executor = current_executor()
    with _scratch_folder(executor, scratch) as folder, executor.running(()):
        data = prepare_data(network, X, y, validation_data, options, known, executor, folder)
        spec = make_spec(network, data, options, known)
        executor.check_memory(memory_needed(spec))
        kept = None
        if checkpoint is not None:
            kept = Checkpoint.at(checkpoint)
            kept.begin(_identity(spec, options, data.found.digest, initial))
            executor.check_visible(kept.location, "checkpoint")
        with executor.running(kernels_of(spec)):
            rounds = _Rounds(spec, options, executor, listeners, kept, folder)
            try:
                return rounds.train(initial)
            except BaseException as error:
                executor.cancel()
                listeners.on_run_failed(error)
                raise
            finally:
                executor.forget(spec.run)


def training_graph(
    network: Network, X: Any, y: Any = None, *, scratch: str | None = None, **settings: Any
) -> Delayed:
    """Build the graph of all rounds as one lazy object, for looking at.

    Parameters
    ----------
    network, X, y, scratch, **settings
        As for `train`.

    Returns
    -------
    Delayed
        Of the last round's report; ``.visualize()`` draws groups, sub-models and reduction.

    Examples
    --------
    >>> from dask_horn.network import Dense
    >>> network = Network([Dense(8, activation="relu"), Dense(2)], input_shape=3)
    >>> graph = training_graph(network, [[0, 0, 1], [1, 0, 0]] * 8, [0, 1] * 8, n_rounds=2)
    >>> sum("train" in str(key) for key in graph.dask)
    4
    """
    options = TrainingOptions.of(**settings)
    executor = current_executor()
    folder = executor.scratch(scratch)
    if folder is not None:
        atexit.register(remove_folder, folder)  # the graph reads from it, whenever it is computed
    with executor.running(()):
        data = prepare_data(network, X, y, None, options, Known(), executor, folder)
    spec = make_spec(network, data, options, Known())
    shared = _shared(spec)
    parents: Sequence[Any] = start_graph(spec, shared)
    for round in range(options.n_rounds):
        graph = round_graph(spec, shared, parents, round)
        parents = graph.parents
    return graph.report


@dataclass(frozen=True)
class _Submitted:
    """A round that is submitted: the handles of its parents and of its report."""

    round: int
    parents: tuple[Any, ...]
    report: Any


class _Rounds:
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
        self.history = History()
        self.shared = _shared(spec)
        self.done: tuple[Any, ...] = ()  # the last parents that are known to be good
        self.best: _Best | None = None
        self._spilled: dict[str, str] = {}  # what lies in the scratch folder, by its name
        self._before = 0.0

    def train(self, initial: Model | None) -> TrainingResult:
        """Do all rounds; return the model."""
        first, parents = self._start(initial)
        self.done = parents
        self.listeners.on_run_start(
            RunStart(self.spec, first, self.options.n_rounds, lambda: self._model(self.done))
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

    def _start(self, initial: Model | None) -> tuple[int, tuple[Any, ...]]:
        """Find the first round to do, and the parents it starts from."""
        found = self.checkpoint.latest() if self.checkpoint else None
        if found is not None and self.checkpoint is not None:
            first, self.history = found
            for record in self.history:
                self._note_best(record, self.checkpoint.best_location(record.round))
            return first, self._load(self.checkpoint.round_location(first), first)
        if initial is None:
            return 0, self.executor.submit(*start_graph(self.spec, self.shared))
        start = ParentState.start(initial.parameters)
        if self.scratch is not None:  # parameters reach the workers through a store
            location = save_parents(self.spec, f"{self.scratch}/initial.zarr", start)
            return 0, self._load(location, 0)
        return 0, self.executor.submit(delayed(start, name=f"start-{self.spec.run}"))

    def _load(self, location: str, round: int) -> tuple[Any, ...]:
        """Tasks that read saved parents: what comes after depends on nothing before."""
        return self.executor.submit(
            *(
                delayed(load_parent, pure=False)(
                    location,
                    round,
                    lineage,
                    dask_key_name=(f"load-{self.spec.run}", round, lineage),
                )
                for lineage in range(len(self.spec.lineages))
            )
        )

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

    def _submit(self, round: int, parents: tuple[Any, ...]) -> _Submitted:
        placement = self.executor.placement(self.spec.n_groups)
        graph = round_graph(self.spec, self.shared, parents, round, placement=placement)
        *after, report = self.executor.submit(*graph.parents, graph.report)
        return _Submitted(round, tuple(after), report)

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
        self.executor.cancel(keep=self.done)  # these may be on their way from the checkpoint
        self._save(len(self.history))

    def _save(self, rounds: int) -> None:
        """Save the parents that are done, and let the next round start from what is saved."""
        if not rounds or rounds != len(self.history):
            return
        if self.checkpoint is not None:
            latest = self.checkpoint.latest()
            if latest is not None and latest[0] == rounds:
                return
            if self.best is not None and self.best.location is None:
                self._keep_best()  # Ctrl-C came while it was being saved
            location = self._store(self.checkpoint.round_location(rounds), self.done)
            self.checkpoint.commit(rounds, self.history, self.best.round if self.best else None)
        elif self.executor.cuts_lineage:
            location = self._spill("rounds", rounds)
        else:
            return  # nobody would read it
        if self.executor.cuts_lineage and rounds < self.options.n_rounds:
            self.done = self._load(location, rounds)

    def _store(self, location: str, parents: tuple[Any, ...]) -> str:
        """Have a worker write parents; wait until they are there."""
        key = (f"save-{self.spec.run}", location)
        task = delayed(save_parents, pure=False)(self.shared, location, *parents, dask_key_name=key)
        written: str = self.executor.result(self.executor.submit(task)[0])
        return written

    def _spill(self, name: str, rounds: int) -> str:
        """Store the parents that are done in the scratch folder, instead of those before."""
        location = self._store(f"{self.scratch}/{name}-{rounds:05d}.zarr", self.done)
        if name in self._spilled:
            remove_folder(self._spilled[name])
        self._spilled[name] = location
        return location

    def _note_best(self, record: RoundRecord, location: str | None = None) -> bool:
        """Remember the round with the best validation score; return whether it is this one.

        `location` is where its parents are saved, where they are already.
        """
        score = record.validation_score
        if not self.options.early_stopping or score is None:
            return False
        if not score > (self.best.score if self.best else -math.inf):  # no NaN is ever the best
            return False
        self.best = _Best(record.round, score, None, location)
        return True

    def _keep_best(self) -> None:
        """Save the best parents, those of the last round, where this process would not do."""
        assert self.best is not None, "a best round was noted"
        if self.checkpoint is not None:
            location = self._store(self.checkpoint.best_location(self.best.round), self.done)
        elif self.executor.cuts_lineage:
            location = self._spill("best", self.best.round)
        else:
            self.best = dataclasses.replace(self.best, parents=self.done)
            return
        self.best = dataclasses.replace(self.best, location=location)

    def _has_stalled(self, rounds: int) -> bool:
        if self.best is None:
            return False
        return rounds - self.best.round >= self.options.n_iter_no_change

    def _model(self, parents: tuple[Any, ...]) -> Any:
        return models_of(self.spec, [self.executor.result(parent) for parent in parents])

    def _result(self) -> TrainingResult:
        """Fetch the parents as a model: the best, with early stopping, else the last."""
        best = self.best
        if best is None:
            return TrainingResult(self._model(self.done), self.history)
        if best.location is not None:
            parents = self._load(best.location, best.round)
        else:
            parents = best.parents or self.done
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
    location : str or None
        Where they are saved, else.
    """

    round: int
    score: float
    parents: tuple[Any, ...] | None
    location: str | None = None


def _shared(spec: RunSpec) -> Delayed:
    """Make the spec a task of its own: sent to each worker once, not with every task."""
    return delayed(spec, name=f"run-{spec.run}", traverse=False)


def _check_initial(initial: Model, network: Network, options: TrainingOptions) -> None:
    if not isinstance(initial, Model):
        raise TypeError(f"initial must be a Model, got {type(initial).__name__}")
    if initial.network.parameters != network.parameters:
        raise ValueError("initial is a model of another network; use initial.network")
    if LOSSES[initial.network.loss].kind != LOSSES[network.loss].kind:
        raise ValueError(
            f"initial was trained with loss={initial.network.loss!r}, whose targets are of another "
            f"kind than those of loss={network.loss!r}; use initial.network"
        )
    if options.merge == "ensemble":
        raise ValueError("merge='ensemble' starts each member anew; leave initial out")


def _identity(
    spec: RunSpec, options: TrainingOptions, digest: str, initial: Model | None
) -> dict[str, Any]:
    """Collect what makes a run this run and no other, as plain values."""
    settings = dataclasses.asdict(options)
    settings["class_weight"] = repr(options.class_weight)
    del settings["checkpoint_every"]  # changes nothing in the result
    start = None if initial is None else zlib.crc32(initial.parameters.tobytes())
    return {"network": spec.network.to_json(), **settings, "data": digest, "initial": start}


@contextmanager
def _scratch_folder(executor: Executor, location: str | None) -> Iterator[str | None]:
    """Make a scratch folder for the time of a run."""
    folder = executor.scratch(location)
    try:
        yield folder
    finally:
        if folder is not None:
            remove_folder(folder)
