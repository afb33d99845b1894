"""Which sub-model holds which units."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.diagnostics.colours import colour_of, ink_on
from dask_horn.diagnostics.plots.frame import background, ink, legend_above, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dask_horn.partition import Partition

_LEGEND_UP_TO = 16  # sub-models; nobody looks up more colours
_BAND_ASPECT = 9.0  # width of a band of units over its height, roughly as it is drawn
_ONE_LINE = 40  # units that are read as one line


def plot_partition(partition: Partition, ax: Axes | None = None) -> Axes:
    """Draw which sub-model holds which units: a row per divided axis, a colour per sub-model.

    A row has a cell for each unit, in reading order (left to right, then the next line), and
    below them a bar with the number of units that each sub-model holds.

    Parameters
    ----------
    partition : Partition
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    names = list(partition.parts)
    axes = new_axes(8, 0.9 + 1.15 * len(names)) if ax is None else ax
    colours = [colour_of(submodel) for submodel in range(partition.n_submodels)]
    for row, name in enumerate(names):
        _draw_units(axes, partition.parts[name], row, colours)
    axes.set_xlim(0, 1)
    axes.set_ylim(max(len(names), 1) - 0.08, -0.04)
    for row, name in enumerate(names):
        _draw_sizes(axes, partition.sizes(name), row, colours)
    labels = [_row_label(name, partition.sizes(name)) for name in names]
    axes.set_yticks([row + 0.4 for row in range(len(names))], labels)
    axes.set_xticks([])
    axes.tick_params(left=False)
    axes.spines[:].set_visible(False)
    _add_legend(axes, colours)
    return axes


def _draw_units(axes: Axes, holder: NDArray[np.int64], row: int, colours: list[str]) -> None:
    """Draw a cell for each unit, in so many lines that the cells are about square."""
    from matplotlib.colors import to_rgba_array

    lines = max(1, round(math.sqrt(holder.size / _BAND_ASPECT)))
    if holder.size < _ONE_LINE:
        lines = 1
    columns = math.ceil(holder.size / lines)
    cells = np.zeros((lines * columns, 4))  # unused cells at the end stay transparent
    cells[: holder.size] = to_rgba_array(colours)[holder]
    top, bottom = row + 0.02, row + 0.62
    axes.imshow(
        cells.reshape(lines, columns, 4),
        extent=(0, 1, bottom, top),
        aspect="auto",
        interpolation="nearest",
    )
    if columns <= 250:  # gaps between cells; with more cells they would only turn the picture grey
        gaps: dict[str, Any] = {"color": background(axes), "linewidth": min(1.2, 40.0 / columns)}
        axes.vlines(np.arange(1, columns) / columns, top, bottom, **gaps)
        axes.hlines(top + (bottom - top) * np.arange(1, lines) / lines, 0, 1, **gaps)


def _row_label(name: str, sizes: NDArray[np.int64]) -> str:
    label = f"{name}\n{sizes.sum()} units"
    if len(sizes) <= _LEGEND_UP_TO:  # the numbers are in the bar
        return label
    return f"{label}\n{sizes.min()} to {sizes.max()} each"


def _draw_sizes(axes: Axes, sizes: NDArray[np.int64], row: int, colours: list[str]) -> None:
    """Draw a bar with a piece for each sub-model's share, with its number of units."""
    from dask_horn.diagnostics.plots.fitting import FittingText

    ends = np.cumsum(sizes) / sizes.sum()
    starts = ends - sizes / sizes.sum()
    axes.barh(
        np.full(len(sizes), row + 0.76),
        ends - starts,
        left=starts,
        height=0.17,
        color=colours,
        edgecolor=background(axes),
        linewidth=min(1.0, _LEGEND_UP_TO / len(sizes)),
    )
    for colour, size, start, end in zip(colours, sizes, starts, ends, strict=True):
        FittingText(
            axes,
            (str(size),),
            (start, end),
            row + 0.765,
            xytext=(0, 0),
            va="center",
            fontsize="small",
            color=ink_on(colour),
        )


def _add_legend(axes: Axes, colours: list[str]) -> None:
    """Show above the rows which colour is which sub-model."""
    from matplotlib.patches import Patch

    from dask_horn.diagnostics.plots.fitting import FittingText

    if len(colours) > _LEGEND_UP_TO:
        words = (f"{len(colours)} sub-models, one colour each", f"{len(colours)} sub-models")
        FittingText(axes, words, (0, 1), 1, "axes fraction", xytext=(0, 5), color=ink(axes))
        return
    handles = [Patch(color=colour, label=str(i)) for i, colour in enumerate(colours)]
    legend_above(axes, handles, "sub-model")
