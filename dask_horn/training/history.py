"""What a run leaves behind: a record of each round, and the result."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, overload

from dask_horn.model import Ensemble, Model
from dask_horn.training.tasks import RoundReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["History", "RoundRecord", "TrainingResult"]


@dataclass(frozen=True)
class RoundRecord:
    """One round of a run.

    Attributes
    ----------
    round : int
        Counted from 1.
    n_submodels : int
        Sub-models per group in this round.
    loss : float
        Mean training loss of all sub-models, weighted by samples.
    losses : tuple of tuple of float
        Mean training loss of each sub-model, by group.
    validation_loss, validation_score : float or None
        Of the merged parent (or the ensemble); accuracy or R². None without validation rows.
    seconds : float
        Wall time since the round before.
    kernel_seconds : float
        Summed over the training tasks.
    samples : int
        Summed over the sub-models.
    bytes_to_workers, bytes_from_workers : int
        Of the slices that training tasks get from another worker, and of the deltas that they
        give to one: a part of the parent that stays where it is trained moves neither. What is
        put together for scoring is not counted.
    """

    round: int
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

    @property
    def n_groups(self) -> int:
        """Groups in this round: the fewer sub-models each has, the more there may be."""
        return len(self.losses)

    @classmethod
    def of(cls, report: RoundReport, seconds: float) -> RoundRecord:
        """Sum a round's report up."""
        submodels = report.submodels
        samples = sum(one.samples for one in submodels)
        groups = sorted({one.group for one in submodels})
        losses = tuple(
            tuple(one.loss for one in submodels if one.group == group) for group in groups
        )
        return cls(
            round=report.round + 1,
            n_submodels=len(losses[0]),
            loss=sum(one.loss * one.samples for one in submodels) / samples,
            losses=losses,
            validation_loss=report.score.loss if report.score else None,
            validation_score=report.score.score if report.score else None,
            seconds=seconds,
            kernel_seconds=sum(one.seconds for one in submodels),
            samples=samples,
            bytes_to_workers=sum(one.bytes_to_worker for one in submodels),
            bytes_from_workers=sum(one.bytes_from_worker for one in submodels),
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RoundRecord:
        """Rebuild what `dataclasses.asdict` and JSON made of a record."""
        losses = tuple(tuple(group) for group in values["losses"])
        return cls(**{**values, "losses": losses})


class History(Sequence[RoundRecord]):
    """The records of a run's rounds, in order: a sequence, with a table and a plot.

    Examples
    --------
    >>> history = History([RoundRecord(1, 2, 0.5, ((0.4, 0.6),), 0.4, 0.9, 1.0, 1.8, 200, 80, 80)])
    >>> history[-1].validation_score, history.column("loss")
    (0.9, [0.5])
    """

    def __init__(self, records: Sequence[RoundRecord] = ()) -> None:
        self._records = list(records)

    @overload
    def __getitem__(self, index: int) -> RoundRecord: ...
    @overload
    def __getitem__(self, index: slice) -> History: ...
    def __getitem__(self, index: int | slice) -> RoundRecord | History:
        if isinstance(index, slice):
            return History(self._records[index])
        return self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"History({len(self)} rounds)"

    def _repr_html_(self) -> str:
        from dask_horn.diagnostics.tables import history_html

        return history_html(self)

    def append(self, record: RoundRecord) -> None:
        """Add the next round."""
        self._records.append(record)

    def column(self, name: str) -> list[Any]:
        """One attribute of all records."""
        return [getattr(record, name) for record in self._records]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Plain values, for JSON or a data frame."""
        return [asdict(record) for record in self._records]

    def to_csv(self) -> str:
        """Write a line per round; each sub-model's own losses are left out."""
        text = io.StringIO()
        names = [field.name for field in fields(RoundRecord) if field.name != "losses"]
        names.insert(1, "n_groups")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([getattr(record, name) for name in names] for record in self._records)
        return text.getvalue()

    def plot(self, axes: Axes | Sequence[Axes] | None = None) -> Axes:
        """Draw the losses and the validation score against the rounds.

        Parameters
        ----------
        axes : Axes or pair of Axes, optional
            For both, or for the losses and for the score; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes
            The axes of the losses; ``.figure`` is the whole.
        """
        from dask_horn.diagnostics.plots import plot_history

        return plot_history(self, axes)


@dataclass(frozen=True)
class TrainingResult:
    """What `train` returns.

    Attributes
    ----------
    model : Model or Ensemble
    history : History
        One record per round.
    best_round : int or None
        With early stopping: the round that the model is from, counted from 1.
    """

    model: Model | Ensemble
    history: History
    best_round: int | None = None

    def _repr_html_(self) -> str:
        from dask_horn.diagnostics.tables import result_html

        return result_html(self)
