"""Sending a browser what has changed of a table, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bokeh.models import ColumnDataSource


class Feed:
    """A `ColumnDataSource` whose rows have keys.

    New rows are streamed to the end and changed cells patched; all is sent anew only where a row
    has gone.

    Parameters
    ----------
    name : str
        Of the source.
    columns : sequence of str
    """

    def __init__(self, name: str, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self.source = ColumnDataSource({column: [] for column in self.columns}, name=name)
        self._rows: dict[Any, tuple[Any, ...]] = {}

    def send(self, rows: Mapping[Any, tuple[Any, ...]]) -> None:
        """Make the source hold these rows, each with a value for every column."""
        rows = dict(rows)
        if any(key not in rows for key in self._rows):
            self._rows = rows
            self.source.data = self._columns_of(list(rows.values()))
            return
        patches: dict[str, list[tuple[int, Any]]] = {}
        for place, (key, before) in enumerate(self._rows.items()):
            after = rows[key]
            if after != before:
                for name, old, new in zip(self.columns, before, after, strict=True):
                    if new != old and not (new != new and old != old):  # NaN is not news
                        patches.setdefault(name, []).append((place, new))
        new_rows = [row for key, row in rows.items() if key not in self._rows]
        # In the order in which they have been sent: that of the source.
        self._rows = {key: rows[key] for key in self._rows | rows}
        if patches:
            self.source.patch(patches)
        if new_rows:
            self.source.stream(self._columns_of(new_rows))

    def _columns_of(self, rows: list[tuple[Any, ...]]) -> dict[str, Any]:
        return {name: [row[i] for row in rows] for i, name in enumerate(self.columns)}


def set_if_new(model: Any, **values: Any) -> None:
    """Set properties of a model that are not so already."""
    for name, value in values.items():
        if getattr(model, name) != value:
            setattr(model, name, value)
