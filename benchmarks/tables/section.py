"""The section of RESULTS.md, from what is kept alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import markdown_table
from benchmarks.tables.figure import draw
from benchmarks.tables.recipes import OURS, RECIPES, TUNED
from benchmarks.tables.sets import FOLDS, SETS
from benchmarks.tables.summary import Goal, Ratio, Tables, compared, goals, mean_of, tables_of

__all__ = ["render", "summary"]

_INTRODUCTION = """\
Each estimator as it comes, with one thread, on the same rows: at most 12,000 to train on. Stored
tables are split anew for each split (classes stratified): 3 splits, 10 of those with fewer than
2,000 rows; generated ones are drawn anew. None of these splits served to choose settings: there
are others for that (`--part choosing`). scikit-learn's MLP is behind StandardScaler, its targets
scaled too; the others scale or bin by themselves. RealMLP-TD-S and TabM-D keep a fifth of their
rows back to choose a pass by, as they do by default.

california_housing has the eight columns of scikit-learn's version, made from a file which lacks
total_bedrooms in 207 rows; these are dropped. The target of diamonds is the logarithm of the price,
and its grades are numbers, for they have an order. kddcup99 is one-hot, 12,000 stratified rows;
classes with a single training row are left out. higgs_sample is both files, 7,500 rows.

The error is 1 − R² or 1 − accuracy; none counts as less than 1e-4 or half a test row, no
log-loss as less than 1e-4, no probability as less than 1e-7.
"""
_RATIOS = """\
100 × the mean over tables of the logarithm of our figure over theirs: −5 is about 5 % lower.
Standard errors are by what differs from split to split of the same tables, paired; other tables
would differ by more. Most tables are generated, and most of those from smooth functions, which suit
networks: the next column is that of stored tables alone. "Without" leaves out the table that it
names, on which ours looks best beside that peer: else one on which a peer fails would decide. Time
is the processor's in a fit, as a geometric mean; other work on the machine sways it less than the
clock's.
"""
_PICTURE = "![Our error over that of each peer, table by table](plots/tables.png)"
_HEADER = (
    "peer",
    "kind",
    "error ± s.e.",
    "stored tables",
    "without",
    "lower on",
    "log-loss ± s.e.",
    "time",
)
_KINDS = {True: "regression", False: "classification"}
_MEASURES = (
    ("score", "R² of regressions, accuracy of classifications, in %", 100, 2),
    ("logloss", "Log-loss", 1, 4),
    ("auroc", "AUROC, in %: of more than two classes the mean of each against the rest", 100, 2),
    ("cpu", "Seconds of the processor in a fit", 1, 2),
)


def render(measured: Mapping[str, Any], plots: Path) -> str:
    """Write the section: the summary, the goals, and all figures."""
    tables = tables_of(measured, "report")
    draw(tables, plots / "tables.png")
    parts = [_INTRODUCTION, _who(measured), summary(measured, "report"), _PICTURE]
    for what, title, factor, digits in _MEASURES:
        if text := _figures(tables, what, factor, digits):
            parts.append(f"### {title}\n\n{text}")
    return "\n\n".join(part.strip() for part in parts)


def summary(measured: Mapping[str, Any], part: str) -> str:
    """Write the ratios on the splits of a part, and which goals hold there."""
    tables = tables_of(measured, part)
    texts = [f"### Errors beside theirs\n\n{_RATIOS}"]
    for ours in (OURS, TUNED):
        if rows := _rows(tables, ours):
            texts.append(f"{_title(measured, ours)}:\n\n{markdown_table(_HEADER, rows)}")
    rows = [(goal.what, goal.figure, _answer(goal)) for goal in goals(measured, part)]
    texts.append(f"### Goals\n\n{markdown_table(('goal', 'figure', 'reached'), rows)}")
    return "\n\n".join(text.strip() for text in texts)


def _rows(tables: Tables, ours: str) -> list[tuple[str, ...]]:
    """One row for each peer and kind."""
    rows = []
    stored = {name: fits for name, fits in tables.items() if SETS[name].load}
    for peer, recipe in RECIPES.items():
        for regression, kind in _KINDS.items():
            ratio = compared(tables, ours, peer, regression)
            if ratio is None or peer == ours:
                continue
            loss = None if regression else compared(tables, ours, peer, regression, "logloss")
            seconds = compared(tables, ours, peer, regression, "cpu")
            wins = f"{ratio.wins} of {ratio.n_tables}"
            time = _times(seconds) if seconds else ""
            of_stored = _percent(compared(stored, ours, peer, regression))
            errors = (_percent(ratio), of_stored, _without(ratio))
            rows.append((recipe.title, kind, *errors, wins, _percent(loss), time))
    return rows


def _percent(ratio: Ratio | None) -> str:
    return ratio.told if ratio else ""


def _without(ratio: Ratio) -> str:
    return f"{100 * ratio.without:+.1f} ({ratio.best})" if ratio.n_tables > 1 else ""


def _times(ratio: Ratio) -> str:
    factor = ratio.factor
    return f"{factor:.3g} ×" if factor >= 1 else f"1/{1 / factor:.3g}"


def _answer(goal: Goal) -> str:
    return {True: "yes", False: "**no**", None: "not measured"}[goal.reached]


def _title(measured: Mapping[str, Any], recipe: str) -> str:
    return str(measured["recipes"][recipe]["title"])


def _who(measured: Mapping[str, Any]) -> str:
    """Tell versions, and on what and when each was measured."""
    lines = [
        f"- {one['title']}: {one['version']}, {one['processor']}, {one['date']}"
        for one in measured["recipes"].values()
    ]
    return "\n".join(lines)


def _figures(tables: Tables, what: str, factor: float, digits: int) -> str:
    """Write one table of a figure: a row for each set, a column for each recipe."""
    recipes = [name for name in RECIPES if any(name in fits for fits in tables.values())]
    header = ["", *(RECIPES[name].title for name in recipes)]
    rows = []
    for name in (name for name in SETS if name in tables):
        means = [mean_of(tables, name, recipe, what) for recipe in recipes]
        if any(mean is not None for mean in means):
            best = _best(means, lowest=what in ("logloss", "cpu"))
            cells = [_cell(mean, mean == best, factor, digits) for mean in means]
            rows.append([f"{name} (all rows)" if name == FOLDS else name, *cells])
    return markdown_table(header, rows) if rows else ""


def _best(means: Sequence[float | None], lowest: bool) -> float:
    known = [mean for mean in means if mean is not None]
    return min(known) if lowest else max(known)


def _cell(mean: float | None, best: bool, factor: float, digits: int) -> str:
    if mean is None:
        return ""
    text = f"{factor * mean:.{digits}f}"
    return f"**{text}**" if best else text
