"""The records of a run's rounds, in order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from dask_horn.records.columns import (
    check_replaceable,
    column_of,
    csv_of,
    frame_by_round,
    frame_by_submodel,
)
from dask_horn.records.rounds import RoundRecord
from dask_horn.records.words import number_of_rounds, short_loss

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame


class History(Sequence[RoundRecord]):
    """The records of a run's rounds, in order.

    A sequence of `RoundRecord`; by the name of an attribute it gives a column, such as
    ``history["loss"]``.

    Attributes
    ----------
    device : str
        What the sub-models were trained on.
    scoring_device : str
        What parents were scored on: another device where not all workers had that one.

    Notes
    -----
    The columns are the attributes of `RoundRecord` that are one number:

    - round: counted from 1.
    - n_groups, n_submodels: groups in the round, and sub-models in each.
    - loss: mean training loss, dropout and division included, weighted by samples.
    - validation_loss, validation_score: of the merged model on validation rows; the score is the
      accuracy or R². NaN without validation rows.
    - seconds: since the round before.
    - kernel_seconds: summed over the training tasks.
    - samples: that the sub-models have seen, repeats counted.
    - bytes_to_workers, bytes_from_workers: moved between workers for training.
    - late: sub-models that had not arrived when the round was merged.
    - ended: when the round was done, in seconds since 1970.

    Examples
    --------
    >>> losses = ((0.4, 0.6),)
    >>> history = History([RoundRecord(1, 1, 2, 0.5, losses, 0.4, 0.9, 1.0, 1.8, 200, 80, 80)])
    >>> history
    History(1 round of 2 sub-models, score 0.9000)
    >>> history[-1].validation_score, history["loss"]
    (0.9, array([0.5]))
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
    @overload
    def __getitem__(self, index: str) -> NDArray[Any]: ...
    def __getitem__(self, index: int | slice | str) -> RoundRecord | History | NDArray[Any]:
        if isinstance(index, str):
            return column_of(self._records, index)
        if isinstance(index, slice):
            return History(self._records[index], self.device, self.scoring_device)
        return self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        rounds = number_of_rounds(len(self))
        if not self:
            return f"History({rounds})"
        finest = max(record.n_submodels for record in self)
        rounds += f" of {finest} sub-models" if finest > 1 else ", undivided"
        if self.best_round is None:
            return f"History({rounds}, loss {short_loss(self[-1].loss)})"
        where = "" if len(self) == 1 else f", best {self.best_round}"
        return f"History({rounds}{where}, score {self.best_score:.4f})"

    def _repr_html_(self) -> str:
        from dask_horn.diagnostics.forms import history_html

        return history_html(self)

    @property
    def best_round(self) -> int | None:
        """The round of the highest validation score, the first of equals; None without scores."""
        best = self._best
        return None if best is None else best.round

    @property
    def best_score(self) -> float | None:
        """The validation score of the best round; None without scores."""
        best = self._best
        return None if best is None else best.validation_score

    @property
    def _best(self) -> RoundRecord | None:
        scores = self["validation_score"]
        return self[int(np.nanargmax(scores))] if np.isfinite(scores).any() else None

    def append(self, record: RoundRecord) -> None:
        """Add the next round."""
        self._records.append(record)

    def column(self, name: str) -> list[Any]:
        """Return one attribute of all records as it is, tables by group and sub-model too."""
        return [getattr(record, name) for record in self._records]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Plain values, for JSON or a data frame."""
        return [record.to_dict() for record in self._records]

    def to_frame(self, by: Literal["round", "submodel"] = "round") -> DataFrame:
        """Return a pandas data frame.

        Parameters
        ----------
        by : {"round", "submodel"}, default "round"
            With "round" it has a row for each round, and the columns of the history. With
            "submodel" it has a row for each round, group and sub-model, with the sub-model's
            `loss`, its `worker`, when its training `started` (in seconds since 1970), how many
            `seconds` it took, and how many `units` of the divided axes the sub-model holds. Groups
            and sub-models are counted from 0 among those that were merged, so where some were late,
            those after them have lower numbers.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ValueError
            If `by` is something else.
        ImportError
            If pandas is not installed.

        Examples
        --------
        >>> losses = ((0.4, 0.6),)
        >>> history = History([RoundRecord(1, 1, 2, 0.5, losses, 0.4, 0.9, 1.0, 1.8, 200, 80, 80)])
        >>> print(history.to_frame(by="submodel")[["round", "group", "submodel", "loss"]])
           round  group  submodel  loss
        0      1      0         0   0.4
        1      1      0         1   0.6
        """
        if by not in ("round", "submodel"):
            raise ValueError(f"by must be one of 'round', 'submodel', got {by!r}")
        return (frame_by_round if by == "round" else frame_by_submodel)(self._records)

    @overload
    def to_csv(self, path: None = None) -> str: ...
    @overload
    def to_csv(self, path: str | os.PathLike[str], overwrite: bool = False) -> None: ...
    def to_csv(
        self, path: str | os.PathLike[str] | None = None, overwrite: bool = False
    ) -> str | None:
        """Write a line per round; what each sub-model has of its own is left out.

        Parameters
        ----------
        path : str or os.PathLike, optional
            File to write, in UTF-8. A history that is there is replaced.
        overwrite : bool, default False
            Whether any other file is replaced too.

        Returns
        -------
        str or None
            The text, if no path is given.

        Raises
        ------
        FileExistsError
            If there is another file, and `overwrite` is False.
        """
        text = csv_of(self._records)
        if path is None:
            return text
        path = Path(path).expanduser()
        check_replaceable(path, overwrite)
        path.write_text(text, encoding="utf-8", newline="")
        return None

    def plot(self, ax: Axes | Sequence[Axes] | None = None) -> Axes:
        """Draw the losses and the validation score against the rounds.

        A band shows the mean losses of the groups, from the lowest to the highest; a ring marks
        the best round; dotted lines stand where sub-models are joined.

        Parameters
        ----------
        ax : Axes or pair of Axes, optional
            For both, or for the losses and for the score; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes
            The axes of the losses; ``.figure`` is the whole.

        Raises
        ------
        ValueError
            If there are no rounds yet.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> losses = ((0.4, 0.6),)
        >>> history = History([RoundRecord(1, 1, 2, 0.5, losses, 0.4, 0.9, 1.0, 1.8, 200, 80, 80)])
        >>> history.plot(ax=Figure().subplots()).get_ylabel()
        'loss'
        """
        from dask_horn.diagnostics.plots import plot_history

        return plot_history(self, ax)

    def plot_workers(self, ax: Axes | None = None) -> Axes:
        """Draw who trained when: a row for each worker, a bar for each training.

        The colour is that of the group, or of the sub-model where there is one group; they are
        counted among those that were merged, so where some were late, colours shift. Gaps are
        waiting, merging and scoring; a line stands where this process had a round's record, when
        the trainings of the next may have begun. Starts are by the workers' clocks, these lines by
        this process's: on several machines they fit as well as the clocks agree. A worker that
        trains several at a time has a strip for each.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ValueError
            If there are no rounds yet, or they do not say when trainings began, as records of
            earlier versions do not.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> record = RoundRecord(1, 1, 1, 0.5, ((0.5,),), None, None, 2.0, 1.8, 200, 80, 80,
        ...     workers=(("tcp://10.0.0.1:4000",),), submodel_seconds=((1.8,),),
        ...     submodel_started=((100.1,),), ended=102.0)
        >>> History([record]).plot_workers(ax=Figure().subplots()).get_xlabel()
        'seconds'
        """
        from dask_horn.diagnostics.plots import plot_workers

        return plot_workers(self, ax)
