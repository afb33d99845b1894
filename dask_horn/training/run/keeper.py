"""What is kept of a run's parents: in its checkpoint, for the run alone, and the best of them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

from dask.delayed import delayed

from dask_horn.cluster import remove_folder
from dask_horn.data.store.locations import joined
from dask_horn.model import Ensemble, Model, load
from dask_horn.records import History, RoundRecord
from dask_horn.training.graph.parent import Parent, Parents
from dask_horn.training.graph.rounds import begin
from dask_horn.training.graph.saving import load_graph, save_graph, spill_graph
from dask_horn.training.plan.merge_rules import MERGE_RULES
from dask_horn.training.run.checkpoint import Checkpoint
from dask_horn.training.run.context import RunContext
from dask_horn.training.tasks.states import Part, Whole
from dask_horn.training.tasks.storage import (
    Saved,
    is_spilled,
    load_saved,
    models_of,
    part_name,
    spill_state,
)


@dataclass(frozen=True)
class Best:
    """The round with the best validation score so far.

    Attributes
    ----------
    round : int
        Counted from 1.
    score : float
    parents : tuple of Parent or None
        Handles of its parents, where they are kept in this process.
    saved : Saved, Held or None
        Where they are saved, or the parents themselves, else.
    """

    round: int
    score: float
    parents: Parents | None = None
    saved: Saved | Held | None = None


@dataclass(frozen=True, eq=False)
class Held:
    """Parents that this process holds, where the workers share no folder.

    Attributes
    ----------
    round : int
        Rounds that they have been through.
    states : tuple of tuple of Whole or Part
        Of each parent, its parts, or itself.
    divided : bool
        Whether these are parts.
    """

    round: int
    states: tuple[tuple[Whole | Part, ...], ...]
    divided: bool = False


class Keeper:
    """Saves the parents of a run and reads them again.

    Parameters
    ----------
    run : RunContext
    checkpoint : Checkpoint or None
        Where the user wants them; None keeps what the run itself needs.
    initial : Model or None
        What a new run starts from; None draws it.
    """

    def __init__(
        self, run: RunContext, checkpoint: Checkpoint | None, initial: Model | None
    ) -> None:
        self.run = run
        self.checkpoint = checkpoint
        self.initial = initial
        self.best: Best | None = None
        self._best_before: Best | None = None
        self.cut: Saved | Held | None = None  # the last: what the run can go back to
        self._spilled: dict[str, str] = {}  # what lies in the scratch folder, by its name
        self._numbers = itertools.count()  # of the times that parents are put together

    # ------------------------------------------------------------------ where a run starts from

    def resume(self) -> tuple[Parents, History] | None:
        """Return the parents and the history of the last checkpoint, if there is one."""
        found = self.checkpoint.latest() if self.checkpoint else None
        if found is None or self.checkpoint is None:
            return None
        for record in found.history:
            location = found.best or self.checkpoint.best_location(record.round)
            self.note_best(record, Saved(location, record.round))
        self.cut = Saved(found.location, found.rounds)
        return self.load(self.cut), found.history

    def start(self) -> Parents:
        """Return the parents of a new run: drawn, or a model to go on from."""
        run = self.run
        if self.initial is None:
            return begin(run.executor, run.graphs.start())[0]
        n_states = MERGE_RULES[run.spec.merge_rule].n_states
        start = Whole.start(self.initial.parameters, n_states)
        folder = run.scratch.folder_if_shared()
        if folder is None:
            return self.load(Held(0, ((start,),)))
        # Parameters reach the workers through a store.
        location = spill_state(joined(folder, "initial"), part_name(0, 0), start)
        return self.load(Saved(location, 0, n_parts=1))

    def go_back(self, run: RunContext) -> Parents:
        """Return the parents of the last cut, for another attempt of the run."""
        self.run = run
        if self.best is not None and self.best.saved is None:  # lost while it was being saved
            self.best = self._best_before
        return self.start() if self.cut is None else self.load(self.cut)

    def hold(self) -> None:
        """Hold what is in the scratch folder, which some workers do not see, in this process."""
        self.run.scratch.give_up()
        self.cut = self._held(self.cut)
        if self.best is not None:
            self.best = replace(self.best, saved=self._held(self.best.saved))

    def _held(self, saved: Saved | Held | None) -> Saved | Held | None:
        """Read what this process has saved for the run alone."""
        if not isinstance(saved, Saved) or not saved.n_parts:
            return saved
        spec = self.run.spec
        states = tuple(
            tuple(load_saved(spec, saved, member, m) for m in range(saved.n_parts))
            for member in range(spec.n_parents)
        )
        return Held(saved.round, states, saved.divided)

    def saved_model(self) -> Model | Ensemble | None:
        """Read the best model in the checkpoint, or the last, without the cluster."""
        saved = self.best.saved if self.best else self.cut
        if not isinstance(saved, Saved) or saved.n_parts:
            return None
        return load(joined(saved.location, "model"))

    def load(self, saved: Saved | Held) -> Parents:
        """Read saved parents: what comes after depends on nothing before."""
        if isinstance(saved, Held):
            return begin(self.run.executor, self._lazy(saved))[0]
        placement = self.run.seats_of_parts(saved.round) if saved.divided else self.run.homes
        return begin(self.run.executor, load_graph(self.run.graphs, saved, placement))[0]

    def _lazy(self, held: Held) -> Parents:
        """Return held parents as lazy objects, which the scheduler will hold too."""
        stage = f"load-parent-{self.run.spec.keys}"
        return tuple(
            Parent(
                tuple(
                    delayed(state, name=(stage, held.round, member, m), traverse=False)
                    for m, state in enumerate(states)
                ),
                held.divided,
            )
            for member, states in enumerate(held.states)
        )

    # ------------------------------------------------------------------------ between rounds

    def is_cut(self, rounds: int) -> bool:
        """Whether the parents after that many rounds are to be saved."""
        if rounds == self.run.options.n_rounds:
            return self.checkpoint is not None
        due = rounds % self.run.options.checkpoint_every == 0
        return due and (self.checkpoint is not None or self.run.executor.cuts_lineage)

    def save(self, parents: Parents, history: History) -> Parents:
        """Save the parents after the last round of the history; return what to go on from."""
        rounds, cuts_lineage = len(history), self.run.executor.cuts_lineage
        if not rounds:
            return parents
        if self.checkpoint is not None:
            latest = self.checkpoint.latest()
            if latest is not None and latest.rounds == rounds:
                return parents
            if self.best is not None and self.best.saved is None:
                self.keep_best(parents)  # Ctrl-C came while it was being saved
            self.cut = self._save_whole(self.checkpoint.round_location(rounds), rounds, parents)
            best = self.best.saved if self.best else None
            self.checkpoint.commit(
                rounds, self.cut.location, history, best.location if isinstance(best, Saved) else ""
            )
        elif cuts_lineage:
            self.cut = self._spill("rounds", rounds, parents)
        else:
            return parents  # nobody would read it
        goes_on = cuts_lineage and rounds < self.run.options.n_rounds
        return self.load(self.cut) if goes_on else parents

    def _save_whole(self, location: str, rounds: int, parents: Parents) -> Saved:
        """Have a worker write whole parents; wait until they are there."""
        task = save_graph(self.run.graphs, location, self._wholes(parents))
        return Saved(self.run.executor.result(self.run.executor.submit(task)[0]), rounds)

    def _spill(self, name: str, rounds: int, parents: Parents) -> Saved | Held:
        """Store parents in the scratch folder, instead of those before; or hold them here."""
        run, divided = self.run, parents[0].divided
        folder = run.scratch.folder_if_shared()
        if folder is None:
            states = tuple(tuple(map(run.executor.result, one.parts)) for one in parents)
            return Held(rounds, states, divided)
        saved = Saved(
            joined(folder, f"{name}-{rounds:05d}"), rounds, len(parents[0].parts), divided
        )
        placement = run.seats_of_parts(rounds) if divided else run.homes
        for written in run.executor.submit(*spill_graph(run.graphs, saved, parents, placement)):
            run.executor.result(written)
        if not is_spilled(saved, len(parents)):  # a worker that has come since wrote elsewhere
            run.scratch.give_up()
            return self._spill(name, rounds, parents)
        if name in self._spilled:
            remove_folder(self._spilled[name])
        self._spilled[name] = saved.location
        return saved

    # ------------------------------------------------------------------------------- the best

    def note_best(self, record: RoundRecord, saved: Saved | None = None) -> bool:
        """Remember the round with the best validation score; return whether it is this one.

        `saved` are its parents, where they are saved already.
        """
        score = record.validation_score
        if not self.run.options.early_stopping or score is None:
            return False
        if not score > (self.best.score if self.best else -math.inf):  # no NaN is ever the best
            return False
        self._best_before, self.best = self.best, Best(record.round, score, saved=saved)
        return True

    def keep_best(self, parents: Parents) -> None:
        """Save the best parents, those of the last round, where this process would not do."""
        assert self.best is not None, "a best round was noted"
        if self.checkpoint is not None:
            location = self.checkpoint.best_location(self.best.round)
            saved: Saved | Held = self._save_whole(location, self.best.round, parents)
        elif self.run.executor.cuts_lineage:
            saved = self._spill("best", self.best.round, parents)
        else:
            self.best = replace(self.best, parents=parents)
            return
        self.best = replace(self.best, saved=saved)

    def has_stalled(self, rounds: int) -> bool:
        """Whether early stopping has waited long enough."""
        if self.best is None:
            return False
        return rounds - self.best.round >= self.run.options.n_iter_no_change

    def best_parents(self) -> Parents | None:
        """Return the parents of the best round, with early stopping."""
        if self.best is None:
            return None
        return self.load(self.best.saved) if self.best.saved else self.best.parents

    # ------------------------------------------------------------------------------ as a model

    def model(self, parents: Parents) -> Model | Ensemble:
        """Fetch parents as a model."""
        wholes = self._wholes(parents)
        return models_of(self.run.spec, [self.run.executor.result(whole) for whole in wholes])

    def _wholes(self, parents: Parents) -> tuple[Any, ...]:
        """Put parents together, with all that they predict with."""
        as_they_are = not self.run.spec.network.statistics
        if as_they_are and not any(parent.divided for parent in parents):
            return tuple(part for parent in parents for part in parent.parts)
        return self.run.executor.submit(*self.run.graphs.wholes(parents, next(self._numbers)))
