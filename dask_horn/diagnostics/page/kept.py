"""What the page keeps of the records that it hears: small, and none is changed later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Values = dict[str, Any]  # of a record, as it travels

_NAMED_GROUPS = 12  # of more groups only the lowest and the highest loss is kept


@dataclass(frozen=True)
class Cell:
    """One sub-model in one round that is merged.

    Attributes
    ----------
    group, submodel : int
        Places in the round's tables, counted from 0.
    loss : float
    worker : str
        Address; empty where it is not known.
    seconds, started : float
        How long it trained, and when it began, in seconds since 1970; 0 where not known.
    units : int
        Of the divided axes.
    samples : int
        Seen, repeats counted; 0 where it is not known.
    """

    group: int
    submodel: int
    loss: float
    worker: str
    seconds: float
    started: float
    units: int
    samples: int


@dataclass(frozen=True)
class Round:
    """A merged round, or several neighbours in one where there are very many.

    Attributes
    ----------
    round : int
        Counted from 1; of several the last.
    covers : int
        Rounds that this one stands for: their sums and `seconds` are added up in it.
    n_groups, n_submodels, n_workers : int
    loss : float
    groups : tuple of float
        Mean loss of each group, where there are not too many.
    lowest, highest : float
        Of the groups' losses.
    score, validation_loss : float or None
    seconds : float
    samples, bytes_moved, late : int
    ended : float
        When it was merged, in seconds since 1970.
    time : float
        When that was told.
    cells : tuple of Cell
        Empty once there are many newer ones.
    """

    round: int
    covers: int
    n_groups: int
    n_submodels: int
    n_workers: int
    loss: float
    groups: tuple[float, ...]
    lowest: float
    highest: float
    score: float | None
    validation_loss: float | None
    seconds: float
    samples: int
    bytes_moved: int
    late: int
    ended: float
    time: float
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes
    ----------
    round, group, submodel : int
        Counted from 0.
    worker : str
    fraction : float
        Of its steps that are done.
    loss : float
    seconds, time : float
        Since it began, and when that was told.
    steps, units : int
    """

    round: int
    group: int
    submodel: int
    worker: str
    fraction: float
    loss: float
    seconds: float
    time: float
    steps: int
    units: int


@dataclass(frozen=True)
class Done:
    """A task that is no training: its stage, worker, round (from 0), and when it was done."""

    stage: str
    worker: str
    round: int
    started: float
    seconds: float


@dataclass(frozen=True)
class Notice:
    """Something that went wrong: what, where, when."""

    kind: str
    worker: str
    time: float
    words: str


def round_of(values: Values) -> Round:
    """Make a round of a `RoundMerged`."""
    record = values["record"]
    cells = _cells(record)
    groups = _by_group(record)
    return Round(
        round=int(record["round"]),
        covers=1,
        n_groups=int(record["n_groups"]),
        n_submodels=int(record["n_submodels"]),
        n_workers=max(1, len({cell.worker for cell in cells})),
        loss=float(record["loss"]),
        groups=groups if len(groups) <= _NAMED_GROUPS else (),
        lowest=min(groups, default=float(record["loss"])),
        highest=max(groups, default=float(record["loss"])),
        score=record["validation_score"],
        validation_loss=record["validation_loss"],
        seconds=float(record["seconds"]),
        samples=int(record["samples"]),
        bytes_moved=int(record["bytes_to_workers"]) + int(record["bytes_from_workers"]),
        late=int(record["late"]),
        ended=float(record.get("ended") or values["time"]),
        time=float(values["time"]),
        cells=cells,
    )


def _by_group(record: Values) -> tuple[float, ...]:
    return tuple(sum(losses) / len(losses) for losses in record["losses"] if losses)


def _cells(record: Values) -> tuple[Cell, ...]:
    """Read the tables by group and sub-model; older clients do not tell all of them."""

    def told(name: str, group: int, submodel: int, otherwise: Any) -> Any:
        try:
            return record[name][group][submodel]
        except (KeyError, IndexError):
            return otherwise

    return tuple(
        Cell(
            group=group,
            submodel=submodel,
            loss=float(loss),
            worker=told("workers", group, submodel, ""),
            seconds=told("submodel_seconds", group, submodel, 0.0),
            started=told("submodel_started", group, submodel, 0.0),
            units=told("submodel_units", group, submodel, 0),
            samples=told("submodel_samples", group, submodel, 0),
        )
        for group, losses in enumerate(record["losses"])
        for submodel, loss in enumerate(losses)
    )


def progress_of(values: Values) -> Progress:
    """Make it of a `SubmodelProgress`."""
    return Progress(
        round=int(values["round"]),
        group=int(values["group"]),
        submodel=int(values["submodel"]),
        worker=values.get("worker", ""),
        fraction=min(1.0, values["steps"] / max(1, values["n_steps"])),
        loss=float(values["loss"]),
        seconds=float(values["seconds"]),
        time=float(values["time"]),
        steps=int(values["steps"]),
        units=int(values.get("units", 0)),
    )


def done_of(values: Values) -> Done:
    """Make it of a `TaskDone`."""
    return Done(
        stage=str(values["stage"]),
        worker=values.get("worker", ""),
        round=int(values["round"]),
        started=float(values["started"]),
        seconds=float(values["seconds"]),
    )


def notice_of(values: Values) -> Notice:
    """Make it of a `TaskLost` or a `StoreRetried`."""
    if values["kind"] == "TaskLost":
        stage, place = values["stage"], tuple(values["place"])
        words = f"lost: {_lost_in_words(stage, place)}"
    else:
        words = f"read again: {values['message']}"
    return Notice(values["kind"], values.get("worker", ""), float(values["time"]), words)


def _lost_in_words(stage: str, place: tuple[Any, ...]) -> str:
    if stage == "train" and len(place) == 3:
        round, group, submodel = place
        return f"training of sub-model {submodel}, group {group}, in round {round + 1}"
    return f"a task of stage {stage!r}"
