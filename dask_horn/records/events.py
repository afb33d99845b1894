"""Events of a run, for those who watch it.

Nothing here decides anything: what the history and the merge need comes back through the graph,
and a record that gets lost on its way is not missed. Each travels as plain values.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from dask_horn.records.rounds import RoundRecord

_KINDS: dict[str, type[Event]] = {}


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happens within a run, often on a worker.

    Attributes
    ----------
    run : str
        The run's id; empty where it is not known.
    worker : str
        Address of the worker that tells it, or that it happened to; empty without a cluster. Filled
        in where it is told.
    time : float
        When it was told there, in seconds since 1970; filled in likewise.
    """

    run: str = ""
    worker: str = ""
    time: float = 0.0

    kind: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.kind = cls.__name__
        _KINDS[cls.kind] = cls

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, which say of what kind it is."""
        return {"kind": self.kind, **asdict(self)}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Event:
        """Rebuild what `to_dict` has made."""
        values = dict(values)
        kind = _KINDS[values.pop("kind")]
        if "record" in values:
            values["record"] = RoundRecord.from_dict(values["record"])
        return kind(**values)


@dataclass(frozen=True, kw_only=True)
class Preparing(Event):
    """The run is being set up; told before each step of that which may take long.

    Attributes
    ----------
    what : str
        Such as "compiling".
    """

    what: str


@dataclass(frozen=True, kw_only=True)
class Remark(Event):
    """What somebody may want to know of the settings; told once, before `RunBegun`.

    Attributes
    ----------
    words : str
        One line: what a setting costs, or what else could be asked for.
    """

    words: str


@dataclass(frozen=True, kw_only=True)
class RunBegun(Event):
    """Everything is settled, and training begins.

    Attributes
    ----------
    network : str
        A line for each layer.
    n_parameters : int
        Of the whole network.
    data : str
        What it is trained on, in words.
    settings : dict
        The attributes of `TrainingOptions`, as plain values.
    batch_size : int
        Samples in a step of a sub-model.
    first_round : int
        Rounds that are done already.
    plans : tuple of pair of int
        Groups, and sub-models in each, of every round.
    device : str
        What the sub-models are trained on.
    changed : tuple of str
        The settings that are not as they are by default.
    held_out : int
        Samples that the parent is scored on after each round.
    """

    network: str
    n_parameters: int
    data: str
    settings: dict[str, Any]
    batch_size: int
    first_round: int
    plans: tuple[tuple[int, int], ...]
    device: str
    changed: tuple[str, ...] = ()
    held_out: int = 0


@dataclass(frozen=True, kw_only=True)
class RunEnded(Event):
    """The run is over.

    Attributes
    ----------
    message : str
        What has happened, as a sentence.
    best_round : int or None
        Counted from 1: which round's model is returned, with early stopping; else it is the last.
    failed : bool
        Whether it ended by an error.
    """

    message: str
    best_round: int | None = None
    failed: bool = False


@dataclass(frozen=True, kw_only=True)
class TaskDone(Event):
    """A task is done that is no training, such as a merge; trainings are in a round's record.

    Attributes
    ----------
    stage : str
        "merge" or "score".
    round : int
        Counted from 0.
    started : float
        When it began on its worker, in seconds since 1970.
    seconds : float
        How long it took.
    """

    stage: str
    round: int
    started: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class SubmodelProgress(Event):
    """A training makes progress: told between two windows of samples, twice a second at most.

    Attributes
    ----------
    round, group, submodel : int
        Counted from 0.
    steps, n_steps : int
        Optimizer steps that are done, and all of this round.
    loss : float
        Mean training loss since the last of these records.
    seconds : float
        Since the training began.
    n_bytes : int
        Of decoded samples that it has trained on, repeats counted.
    units : int
        Of the divided axes, those that the sub-model holds.
    """

    round: int
    group: int
    submodel: int
    steps: int
    n_steps: int
    loss: float
    seconds: float
    n_bytes: int
    units: int


@dataclass(frozen=True, kw_only=True)
class RoundMerged(Event):
    """A round is merged.

    Attributes
    ----------
    record : RoundRecord
        What is known of it, with each sub-model's worker and seconds.
    """

    record: RoundRecord

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**super().to_dict(), "record": self.record.to_dict()}


@dataclass(frozen=True, kw_only=True)
class TaskLost(Event):
    """A task was lost with its worker: it is done again elsewhere.

    Attributes
    ----------
    stage : str
        Such as "train".
    place : tuple
        What follows the stage in the task's key: of a training the round, the group and the
        sub-model, all counted from 0.
    """

    stage: str
    place: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class StoreRetried(Event):
    """A store has failed and is tried again; told once of each array or place by each process.

    Attributes
    ----------
    array : str
        Names the array and its store, or the place that could not be written.
    message : str
        A sentence: what could not be read or written, where, and what came.
    """

    array: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Waiting(Event):
    """The run waits, longer than it should.

    Attributes
    ----------
    what : str
        What is awaited, such as "round 3".
    seconds : float
        For how long.
    reason : str
        Why, as far as it is known, and what would help.
    """

    what: str
    seconds: float
    reason: str

    def __str__(self) -> str:
        """Return it as a sentence."""
        return f"Still waiting for {self.what} after {self.seconds:.0f} s: {self.reason}"
