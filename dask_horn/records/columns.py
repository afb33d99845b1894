"""A history as columns: arrays to plot, lines of text, and pandas data frames."""

from __future__ import annotations

import csv
import difflib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.records.rounds import TABLES, RoundRecord

if TYPE_CHECKING:
    from pandas import DataFrame

#: The attributes of a record that are one number.
COLUMNS = tuple(field.name for field in fields(RoundRecord) if field.name not in TABLES)

_MEASURES = {"validation_loss", "validation_score"}  # None without validation rows

# By column of a frame with a row for each sub-model: the attribute of the record.
_OF_SUBMODELS = {
    "loss": "losses",
    "worker": "workers",
    "started": "submodel_started",
    "seconds": "submodel_seconds",
    "units": "submodel_units",
}


def column_of(records: Sequence[RoundRecord], name: str) -> NDArray[Any]:
    """Return one attribute of all records as an array, NaN where it is not known.

    Raises
    ------
    KeyError
        If there is no such column.
    """
    if name in TABLES:
        raise KeyError(
            f"{name!r} is a table by group and sub-model in each round; use "
            f"history.to_frame(by='submodel') or history.column({name!r})"
        )
    if name not in COLUMNS:
        near = difflib.get_close_matches(name, COLUMNS, n=1)
        hint = f"did you mean {near[0]!r}? There are" if near else "there are"
        raise KeyError(f"no column {name!r} in the history; {hint} {', '.join(COLUMNS)}")
    values = [getattr(record, name) for record in records]
    return np.array(values, np.float64 if name in _MEASURES else None)


def csv_of(records: Sequence[RoundRecord]) -> str:
    """Return a line of text for each record, below a line with the columns' names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(record, name) for name in COLUMNS] for record in records)
    return text.getvalue()


def check_replaceable(path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Check that a file may be written: it is none yet, is empty, or holds a history.

    Raises
    ------
    FileExistsError
        If it holds anything else, and `overwrite` is False.
    """
    if overwrite or not os.path.isfile(path):
        return
    with open(path, "rb") as file:
        begin = file.readline(4096)
    if begin and not begin.startswith(f"{COLUMNS[0]},".encode()):
        raise FileExistsError(
            f"{os.fspath(path)} exists and is no history of a training; choose another path, or "
            "pass overwrite=True to replace it"
        )


def frame_by_round(records: Sequence[RoundRecord]) -> DataFrame:
    """Return a data frame with a row for each round."""
    return _data_frame({name: column_of(records, name) for name in COLUMNS})


def frame_by_submodel(records: Sequence[RoundRecord]) -> DataFrame:
    """Return a data frame with a row for each round, group and sub-model."""
    rows = list(_submodels(records))
    names = ("round", "group", "submodel", *_OF_SUBMODELS)
    return _data_frame({name: [row[i] for row in rows] for i, name in enumerate(names)})


def _submodels(records: Sequence[RoundRecord]) -> Iterator[tuple[Any, ...]]:
    """Yield round, group, sub-model, and what is known of it."""
    for record in records:
        tables = [getattr(record, name) for name in _OF_SUBMODELS.values()]
        for group, losses in enumerate(record.losses):
            for submodel in range(len(losses)):
                # Histories of before do not say everything of each sub-model.
                own = [table[group][submodel] if table else np.nan for table in tables]
                yield (record.round, group, submodel, *own)


def _data_frame(columns: dict[str, Any]) -> DataFrame:
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise ImportError(
            "to_frame needs pandas, which is not installed; install it, or use history['loss'] "
            "and to_csv(), which do without"
        ) from error
    return DataFrame(columns)
