"""The records of a run's rounds, in order."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, overload

from dask_horn.records.rounds import TABLES, RoundRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class History(Sequence[RoundRecord]):
    """The records of a run's rounds, in order: a sequence, with a table and a plot.

    Attributes
    ----------
    device : str
        What the sub-models were trained on.
    scoring_device : str
        What parents were scored on: another device where not all workers had that one.

    Examples
    --------
    >>> losses = ((0.4, 0.6),)
    >>> history = History([RoundRecord(1, 1, 2, 0.5, losses, 0.4, 0.9, 1.0, 1.8, 200, 80, 80)])
    >>> history[-1].validation_score, history.column("loss")
    (0.9, [0.5])
    """

    def __init__(
        self,
        records: Sequence[RoundRecord] = (),
        device: str = "cpu",
        scoring_device: str | None = None,
    ) -> None:
        self._records = list(records)
        self.device = device
        self.scoring_device = scoring_device or device

    @overload
    def __getitem__(self, index: int) -> RoundRecord: ...
    @overload
    def __getitem__(self, index: slice) -> History: ...
    def __getitem__(self, index: int | slice) -> RoundRecord | History:
        if isinstance(index, slice):
            return History(self._records[index], self.device, self.scoring_device)
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
        return [record.to_dict() for record in self._records]

    def to_csv(self) -> str:
        """Write a line per round; what each sub-model has of its own is left out."""
        text = io.StringIO()
        names = [field.name for field in fields(RoundRecord) if field.name not in TABLES]
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
