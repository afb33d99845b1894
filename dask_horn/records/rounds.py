"""What is known of a round when it is done."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from dask_horn.records.score import Score
from dask_horn.records.submodel import SubmodelReport

#: Of a record: by group and sub-model.
TABLES = (
    "losses",
    "workers",
    "submodel_seconds",
    "submodel_started",
    "submodel_units",
    "submodel_samples",
)


@dataclass(frozen=True)
class RoundReport:
    """What the tasks of a round send to the client: no parameters.

    Attributes
    ----------
    round : int
        Counted from 0.
    n_groups, n_submodels : int
        As the round was planned: groups, and sub-models in each.
    submodels : tuple of SubmodelReport
        Of those that are merged, by group and sub-model.
    score : Score or None
        Of the merged parent, or of the ensemble, on the validation rows.
    """

    round: int
    n_groups: int
    n_submodels: int
    submodels: tuple[SubmodelReport, ...]
    score: Score | None

    @property
    def samples(self) -> int:
        """Samples that all sub-models have seen."""
        return sum(one.samples for one in self.submodels)

    @property
    def loss(self) -> float:
        """Mean training loss of all sub-models, weighted by samples."""
        return sum(one.loss * one.samples for one in self.submodels) / self.samples


@dataclass(frozen=True, repr=False)
class RoundRecord:
    """One round of a run.

    Attributes
    ----------
    round : int
        Counted from 1.
    n_groups : int
        Groups in this round: the fewer sub-models each has, the more there may be.
    n_submodels : int
        Sub-models per group in this round.
    loss : float
        Mean training loss of all sub-models, weighted by samples.
    losses : tuple of tuple of float
        Mean training loss of each sub-model that is merged, by group.
    validation_loss, validation_score : float or None
        Of the merged parent (or the ensemble); accuracy or R². None without validation rows.
    seconds : float
        Wall time since the round before.
    kernel_seconds : float
        Summed over the training tasks.
    samples : int
        Summed over the sub-models.
    bytes_to_workers, bytes_from_workers : int
        Of the slices and deltas that travel between workers for training. A part of the parent
        that stays where it is trained moves neither; what is put together for scoring is not
        counted.
    late : int
        Sub-models that had not arrived when the round was merged.
    workers : tuple of tuple of str
        Who trained each of the sub-models in `losses`; empty text without a cluster.
    submodel_seconds : tuple of tuple of float
        How long each of their trainings took.
    submodel_started : tuple of tuple of float
        When each began on its worker, in seconds since 1970.
    submodel_units : tuple of tuple of int
        Units of the divided axes that each holds.
    submodel_samples : tuple of tuple of int
        How many samples each has seen, repeats counted.
    ended : float
        When the round was merged and scored, in seconds since 1970 in this process; 0 where it is
        not known.
    """

    round: int
    n_groups: int
    n_submodels: int
    loss: float
    losses: tuple[tuple[float, ...], ...]
    validation_loss: float | None
    validation_score: float | None
    seconds: float
    kernel_seconds: float
    samples: int
    bytes_to_workers: int
    bytes_from_workers: int
    late: int = 0
    workers: tuple[tuple[str, ...], ...] = ()
    submodel_seconds: tuple[tuple[float, ...], ...] = ()
    submodel_started: tuple[tuple[float, ...], ...] = ()
    submodel_units: tuple[tuple[int, ...], ...] = ()
    submodel_samples: tuple[tuple[int, ...], ...] = ()
    ended: float = 0.0

    @classmethod
    def of(cls, report: RoundReport, seconds: float) -> RoundRecord:
        """Sum a round's report up."""
        submodels = report.submodels
        groups = sorted({one.group for one in submodels})

        def by_group(name: str) -> tuple[tuple[Any, ...], ...]:
            return tuple(
                tuple(getattr(one, name) for one in submodels if one.group == group)
                for group in groups
            )

        return cls(
            round=report.round + 1,
            n_groups=report.n_groups,
            n_submodels=report.n_submodels,
            loss=report.loss,
            losses=by_group("loss"),
            validation_loss=report.score.loss if report.score else None,
            validation_score=report.score.score if report.score else None,
            seconds=seconds,
            kernel_seconds=sum(one.seconds for one in submodels),
            samples=report.samples,
            bytes_to_workers=sum(one.bytes_to_worker for one in submodels),
            bytes_from_workers=sum(one.bytes_from_worker for one in submodels),
            late=report.n_groups * report.n_submodels - len(submodels),
            workers=by_group("worker"),
            submodel_seconds=by_group("seconds"),
            submodel_started=by_group("started"),
            submodel_units=by_group("units"),
            submodel_samples=by_group("samples"),
            ended=time.time(),
        )

    def __repr__(self) -> str:
        groups = f"{self.n_groups} × {self.n_submodels} sub-models"
        score = "" if self.validation_score is None else f", score {self.validation_score:.4f}"
        return f"RoundRecord({self.round}: {groups}, loss {self.loss:.4g}{score})"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RoundRecord:
        """Rebuild what `dataclasses.asdict` and JSON made of a record.

        Records of version 0.1 do not say how many groups there were: as many as have losses.
        """
        tables = {name: tuple(map(tuple, values[name])) for name in TABLES if name in values}
        return cls(**{"n_groups": len(tables["losses"]), **values, **tables})
