"""Figures: the learning curves of a run, and which sub-model holds which units.

Both draw on given axes and touch no global state. Without axes they make a figure with pyplot, so
that notebooks and interactive sessions show it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.records import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dask_horn.partition import Partition

# Okabe and Ito's colours, which colour-blind readers can tell apart.
_TRAINING, _VALIDATION, _SCORE = "#0072B2", "#D55E00", "#009E73"
_PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#666666")

_LOG_FROM = 20.0  # losses that span more than this factor are drawn on a logarithmic axis
_LETTERS = 80  # so many small letters fit above the curves in axes of the usual size
_LEGEND_UP_TO = 16  # sub-models; nobody looks up more colours
_BAND_ASPECT = 9.0  # width of a band of units over its height, roughly as it is drawn


def plot_history(history: History, axes: Axes | Sequence[Axes] | None = None) -> Axes:
    """Draw losses and validation score against the rounds.

    Parameters
    ----------
    history : History
        What `dask_horn.train` returns as ``result.history``.
    axes : Axes or pair of Axes, optional
        A pair shows the losses and the score, one above the other; on single axes the score has
        its own axis on the right. By default a new figure with a pair.

    Returns
    -------
    matplotlib.axes.Axes
        The axes of the losses; ``.figure`` is the whole figure.

    Raises
    ------
    ValueError
        If the history has no rounds.
    """
    if not len(history):
        raise ValueError("history has no rounds yet; train first")
    validated = [record for record in history if record.validation_score is not None]
    losses, scores = _history_axes(axes, bool(validated))
    rounds = history.column("round")
    style: dict[str, Any] = {"marker": "o", "markersize": 3.5, "linewidth": 1.6}
    losses.plot(rounds, history.column("loss"), color=_TRAINING, label="training", **style)
    if validated:
        at = [record.round for record in validated]
        values = np.array([record.validation_loss for record in validated], float)
        losses.plot(at, values, color=_VALIDATION, label="validation", **style)
        scored = np.array([record.validation_score for record in validated], float)
        scores.plot(at, scored, color=_SCORE, label="score", **style)
        _ring_best(scores, at, scored)
        scores.tick_params(axis="y", labelcolor=_SCORE)
    if _spans_decades(losses):
        losses.set_yscale("log")
    losses.set_ylabel("loss")
    _finish_axes(losses, scores, (rounds[0] - 0.5, rounds[-1] + 0.5))
    _mark_divisions(losses, history)
    return losses


def plot_partition(partition: Partition, axes: Axes | None = None) -> Axes:
    """Draw which sub-model holds which units: a row per divided axis, a colour per sub-model.

    A row has a cell for each unit, in reading order (left to right, then the next line), and
    below them a bar with the number of units that each sub-model holds.

    Parameters
    ----------
    partition : Partition
    axes : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    names = list(partition.parts)
    if axes is None:
        from matplotlib import pyplot

        height = 0.9 + 1.15 * len(names)
        axes = pyplot.subplots(figsize=(8, height), layout="constrained")[1]
    colours = _colours(partition.n_submodels)
    for row, name in enumerate(names):
        _draw_units(axes, partition.parts[name], row, colours)
        _draw_sizes(axes, partition.sizes(name), row, colours)
    axes.set_xlim(0, 1)
    axes.set_ylim(max(len(names), 1) - 0.08, -0.04)
    axes.set_yticks(
        [row + 0.4 for row in range(len(names))],
        [_row_label(name, partition.sizes(name)) for name in names],
    )
    axes.set_xticks([])
    axes.tick_params(left=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    _add_legend(axes, colours)
    return axes


def _history_axes(axes: Axes | Sequence[Axes] | None, validated: bool) -> tuple[Axes, Axes]:
    """Return axes for the losses and for the score; the same ones if there is no score."""
    if axes is None:
        from matplotlib import pyplot

        if not validated:
            losses = pyplot.subplots(figsize=(7, 3.6), layout="constrained")[1]
            return losses, losses
        pair = pyplot.subplots(
            2, 1, sharex=True, figsize=(7, 5), height_ratios=(3, 2), layout="constrained"
        )[1]
        return pair[0], pair[1]
    if isinstance(axes, (Sequence, np.ndarray)):
        losses, scores = axes
        return losses, scores
    if not validated:
        return axes, axes
    return axes, axes.twinx()


def _finish_axes(losses: Axes, scores: Axes, x_limits: tuple[float, float]) -> None:
    """Grid, spines, integer ticks and legend, for one pair of axes or a twin."""
    from matplotlib.ticker import MaxNLocator

    # A twin lies on the losses' axes: it must not draw a second grid, nor hide under a legend.
    twin = scores is not losses and scores.bbox.bounds == losses.bbox.bounds
    for axis in (losses, scores):
        axis.spines["top"].set_visible(False)
        axis.spines["right"].set_visible(twin)
        axis.set_xlim(*x_limits)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    losses.grid(alpha=0.25, linewidth=0.6)
    if not twin:
        scores.grid(alpha=0.25, linewidth=0.6)
    losses.legend(framealpha=0.8, edgecolor="none", loc="center right" if twin else "best")
    (losses if twin else scores).set_xlabel("round")


def _spans_decades(axes: Axes) -> bool:
    """Whether the values are positive and span so much that small ones would vanish."""
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines])
    values = values[np.isfinite(values)]
    return bool(values.size and values.min() > 0 and values.max() > _LOG_FROM * values.min())


def _ring_best(axes: Axes, rounds: Sequence[int], scores: NDArray[np.float64]) -> None:
    """Ring the best score, the first of equals, and write it beside the axis."""
    best = int(np.argmax(scores))
    axes.plot(rounds[best], scores[best], "o", markersize=9, markerfacecolor="none", color=_SCORE)
    axes.set_ylabel(f"validation score\nbest {scores[best]:.4f}", color=_SCORE)


def _mark_divisions(axes: Axes, history: History) -> None:
    """Draw a line wherever the division changes, and write groups × sub-models above."""
    numbers = [(record.n_groups, record.n_submodels) for record in history]
    starts = [0] + [i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1]]
    for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True):
        if start:
            axes.axvline(history[start].round - 0.5, color="0.6", linewidth=0.8, linestyle=":")
        room = _LETTERS * (end - start) / len(numbers)
        words = "{} × {}".format(*numbers[start])
        if not start and len(_in_words(*numbers[start])) <= room:
            words = _in_words(*numbers[start])
        elif len(words) > room and end < len(numbers):
            continue  # the words would run into the next ones
        middle = (history[start].round + history[end - 1].round) / 2
        axes.annotate(
            words,
            (middle, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            color="0.4",
            fontsize="small",
        )


def _in_words(n_groups: int, n_submodels: int) -> str:
    groups = "1 group" if n_groups == 1 else f"{n_groups} groups"
    return f"{groups}, undivided" if n_submodels == 1 else f"{groups} × {n_submodels} sub-models"


def _colours(n: int) -> NDArray[np.float64]:
    """Choose a colour for each sub-model, (n, 4): a palette, or evenly spaced hues for more."""
    from matplotlib import colormaps, colors

    if n <= len(_PALETTE):
        return np.array([colors.to_rgba(colour) for colour in _PALETTE[:n]])
    return np.asarray(colormaps["turbo"](np.linspace(0.04, 0.96, n)), np.float64)


def _draw_units(
    axes: Axes, holder: NDArray[np.int64], row: int, colours: NDArray[np.float64]
) -> None:
    """Draw a cell for each unit, in so many lines that the cells are about square."""
    lines = max(1, round(math.sqrt(holder.size / _BAND_ASPECT)))
    if holder.size < 40:  # few enough to be read as one line
        lines = 1
    columns = math.ceil(holder.size / lines)
    cells = np.zeros((lines * columns, 4))  # unused cells at the end stay transparent
    cells[: holder.size] = colours[holder]
    top, bottom = row + 0.02, row + 0.62
    axes.imshow(
        cells.reshape(lines, columns, 4),
        extent=(0, 1, bottom, top),
        aspect="auto",
        interpolation="nearest",
    )
    if columns <= 250:  # gaps between cells; with more cells they would only turn the picture grey
        width = min(1.2, 40.0 / columns)
        axes.vlines(np.arange(1, columns) / columns, top, bottom, color="white", linewidth=width)
        heights = top + (bottom - top) * np.arange(1, lines) / lines
        axes.hlines(heights, 0, 1, color="white", linewidth=width)


def _row_label(name: str, sizes: NDArray[np.int64]) -> str:
    label = f"{name}\n{sizes.sum()} units"
    if len(sizes) <= _LEGEND_UP_TO:  # the numbers are in the bar
        return label
    return f"{label}\n{sizes.min()} to {sizes.max()} each"


def _draw_sizes(
    axes: Axes, sizes: NDArray[np.int64], row: int, colours: NDArray[np.float64]
) -> None:
    """Draw a bar with a piece for each sub-model's share, with its number of units."""
    ends = np.cumsum(sizes) / sizes.sum()
    starts = ends - sizes / sizes.sum()
    for colour, size, start, end in zip(colours, sizes, starts, ends, strict=True):
        axes.barh(row + 0.76, end - start, left=start, height=0.17, color=colour, edgecolor="white")
        if len(sizes) <= _LEGEND_UP_TO and end - start > 0.03:
            light = colour[:3] @ (0.299, 0.587, 0.114) > 0.55
            axes.text(
                (start + end) / 2,
                row + 0.765,
                str(size),
                ha="center",
                va="center",
                fontsize="small",
                color="black" if light else "white",
            )


def _add_legend(axes: Axes, colours: NDArray[np.float64]) -> None:
    """Show above the rows which colour is which sub-model."""
    from matplotlib.patches import Patch

    if len(colours) > _LEGEND_UP_TO:
        axes.set_title(f"{len(colours)} sub-models, one colour each", fontsize="medium")
        return
    axes.legend(
        handles=[Patch(color=colour, label=str(i)) for i, colour in enumerate(colours)],
        title="sub-model",
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=min(len(colours), 8),
        frameon=False,
        handlelength=1.0,
        columnspacing=1.2,
    )
