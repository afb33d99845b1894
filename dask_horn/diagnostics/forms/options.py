"""Options of a run as HTML: what differs from the defaults stands out."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from dask_horn.diagnostics.html import card, code, fold, joined, muted, shown, table, tag

if TYPE_CHECKING:
    from dask_horn.training import TrainingOptions


def options_html(options: TrainingOptions) -> str:
    """Show which options are not at their defaults; the others are folded.

    Parameters
    ----------
    options : TrainingOptions

    Returns
    -------
    str
    """
    changed = options.changed
    fields = dataclasses.fields(options)
    rows = [
        (tag("b", field.name), code(changed[field.name]), muted(repr(field.default)))
        for field in fields
        if field.name in changed
    ]
    others = [
        tag("div", joined([field.name, code(repr(field.default))], " "))
        for field in fields
        if field.name not in changed
    ]
    facts = [f"{len(rows)} of {len(fields)} set" if rows else "all at their defaults"]
    set_here = table(("setting", "value", "default"), rows, n_texts=3) if rows else ""
    words = f"{len(others)} at their defaults"
    return shown(
        card(
            "TrainingOptions",
            facts,
            set_here,
            fold(words, tag("div", *others, css="horn-list")) if others else "",
        )
    )
