"""What all figures have in common: axes, and colours that follow the style in force.

Nothing here or in the other files touches pyplot's state where axes are given. Without axes pyplot
makes the figure, so that notebooks and interactive sessions show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of an entry of a legend, over the size of its letters: a letter, the patch and the gaps.
_LETTER, _PATCH = 0.6, 3.0


def new_axes(width: float, height: float) -> Axes:
    """Make a figure with one pair of axes, in inches."""
    from matplotlib import pyplot

    axes: Axes = pyplot.subplots(figsize=(width, height), layout="constrained")[1]
    return axes


def new_pair(height_ratios: tuple[int, int]) -> tuple[Axes, Axes]:
    """Make a figure with two axes that have their x axis in common."""
    from matplotlib import pyplot

    upper, lower = pyplot.subplots(
        2, 1, sharex=True, figsize=(7, 5), height_ratios=height_ratios, layout="constrained"
    )[1]
    return upper, lower


def as_pair(ax: Any) -> tuple[Axes, Axes] | None:
    """Return two axes, if these are two.

    Raises
    ------
    ValueError
        If they are several, but not two.
    """
    if not isinstance(ax, (Sequence, np.ndarray)):
        return None
    given = np.ravel(np.asarray(ax, object))
    if len(given) != 2:
        raise ValueError(f"ax must be one Axes or a pair of them, got {len(given)} in a sequence")
    return given[0], given[1]


def ink(axes: Axes) -> Any:
    """Return the colour that texts have in these axes."""
    return axes.xaxis.label.get_color()


def background(axes: Axes) -> Any:
    """Return the colour on which these axes draw; the figure's where they have none."""
    own: Any = axes.get_facecolor()
    return own if own[3] > 0 else root_of(axes).get_facecolor()


def root_of(artist: Any) -> Any:
    """Return the figure, not a part of it, that has something."""
    return artist.get_figure(root=True)


def whole_numbers(axes: Axes) -> None:
    """Have whole numbers on the x axis, as many as there is room for."""
    from matplotlib.ticker import MaxNLocator

    locator = MaxNLocator(nbins="auto", integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
    axes.xaxis.set_major_locator(locator)


def legend_above(axes: Axes, handles: Sequence[Any], title: str = "", lines: float = 0.0) -> None:
    """Put a legend above the axes, in as many columns as there is room for.

    `lines` of small text stay free between the two.
    """
    from matplotlib.font_manager import FontProperties

    size = FontProperties(size="small").get_size_in_points()
    width = axes.get_window_extent().width * 72 / root_of(axes).dpi
    longest = max(len(handle.get_label()) for handle in handles)
    entry = size * (_LETTER * longest + _PATCH)
    axes.legend(
        handles=handles,
        title=title or None,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        borderaxespad=0.3 + 1.2 * lines,
        ncols=max(1, min(len(handles), int(width / entry))),
        frameon=False,
        fontsize="small",
        title_fontsize="small",
        handlelength=1.0,
        columnspacing=1.0,
    )


def only_left_and_bottom(axes: Axes) -> None:
    """Leave out the lines above and on the right."""
    axes.spines[["top", "right"]].set_visible(False)
