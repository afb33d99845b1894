"""A partition as HTML: how many units each sub-model holds, and which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dask_horn.diagnostics.colours import colour_of, ink_on
from dask_horn.diagnostics.html import Html, card, joined, muted, shown, tag

if TYPE_CHECKING:
    from dask_horn.partition import Partition

_LEGEND_UP_TO = 16  # sub-models; nobody looks up more colours
_LETTERS = 70  # so many fit into a bar of the usual width
_AXES = 24  # drawn at most: a picture, not the data
_CELLS, _COLUMNS = 400, 100  # units of an axis that are drawn one by one


def partition_html(partition: Partition) -> str:
    """Show the sizes of a partition's parts as bars, and who holds the first units of each axis.

    Parameters
    ----------
    partition : Partition

    Returns
    -------
    str
    """
    axes = list(partition.parts)
    n = partition.n_submodels
    facts = [_counted(n, "sub-model"), _counted(len(axes), "divided axis", "divided axes")]
    drawn = [_axis(partition, name) for name in axes[:_AXES]]
    more = muted(f"… {len(axes) - _AXES} more axes") if len(axes) > _AXES else ""
    return shown(card("Partition", facts, _legend(n), *drawn, more))


def _legend(n: int) -> Html:
    if not 1 < n <= _LEGEND_UP_TO:
        return Html()
    entries = (tag("span", _swatch(i), str(i)) for i in range(n))
    label = muted("sub-model")
    return tag("div", label, *entries, css="horn-side", style="gap: 0 1.1em; margin: 0.2em 0")


def _swatch(submodel: int) -> Html:
    return tag("span", css="horn-swatch", style=f"background: {colour_of(submodel)}")


def _axis(partition: Partition, name: str) -> Html:
    """Return the bar of an axis and, below it, its units."""
    sizes, holders = partition.sizes(name), partition.parts[name]
    total = int(sizes.sum())
    divided = len(sizes) > 1
    cells = f", the first {_CELLS} drawn" if divided and total > _CELLS else ""
    words = joined([tag("b", name), muted(f"{partition.sizes_in_words(name)}{cells}")], " ")
    segments = [_segment(i, int(size), size / total) for i, size in enumerate(sizes) if size]
    bar = tag("div", *segments, css="horn-bar")
    units = _units(holders[:_CELLS].tolist()) if divided else ""
    return tag("div", words, bar, units, style="margin: 0.5em 0")


def _segment(submodel: int, size: int, share: float) -> Html:
    """Return one sub-model's part of a bar, with its size where that fits."""
    text = f"{size:,}"
    colour = colour_of(submodel)
    style = f"background: {colour}; color: {ink_on(colour)}; flex: {size} 1 0; min-width: 0"
    return tag("div", text if len(text) + 1 <= share * _LETTERS else "", style=style)


def _units(holders: Sequence[int]) -> Html:
    """Return a cell for each unit, in reading order, in its holder's colour."""
    rows = -(-len(holders) // _COLUMNS)
    columns = min(len(holders), _COLUMNS)
    paths: dict[int, list[str]] = {}
    start = 0
    for i in range(1, len(holders) + 1):  # runs of one colour are one cell
        if i == len(holders) or holders[i] != holders[start] or not i % _COLUMNS:
            x, y = start % _COLUMNS, start // _COLUMNS
            paths.setdefault(holders[start], []).append(f"M{x} {y}h{i - start}v.85h-{i - start}z")
            start = i
    drawn = "".join(
        f'<path fill="{colour_of(submodel)}" d="{"".join(moves)}"/>'
        for submodel, moves in sorted(paths.items())
    )
    return Html(
        f'<svg viewBox="0 0 {columns} {rows}" preserveAspectRatio="none" role="img" '
        f'aria-label="the sub-model of each unit" '
        f'style="height: {0.75 * rows:g}em; margin-top: 0.3em; width: 100%">{drawn}</svg>'
    )


def _counted(n: int, word: str, plural: str = "") -> str:
    return f"{n:,} {word if n == 1 else plural or word + 's'}"
