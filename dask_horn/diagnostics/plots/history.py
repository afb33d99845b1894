"""The learning curves of a run: losses with the spread of the groups, and the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.diagnostics.colours import BEST, LOSS, QUIET, SCORE
from dask_horn.diagnostics.plots.frame import (
    as_pair,
    new_axes,
    new_pair,
    only_left_and_bottom,
    whole_numbers,
)
from dask_horn.records import History, RoundRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOG_FROM = 20.0  # losses that span more than this factor are drawn on a logarithmic axis
_DOTS = 40  # rounds up to which each has a dot


def plot_history(history: History, ax: Axes | Sequence[Axes] | None = None) -> Axes:
    """Draw losses and validation score against the rounds.

    Parameters
    ----------
    history : History
        What `dask_horn.train` returns as ``result.history``.
    ax : Axes or pair of Axes, optional
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
    losses, scores = _panels(ax, bool(validated))
    style = {"marker": "o" if len(history) <= _DOTS else "", "markersize": 3.5, "linewidth": 1.6}
    _draw_losses(losses, history, validated, style)
    if validated:
        _draw_scores(scores, history, validated, style)
    _finish(losses, scores, (history[0].round - 0.5, history[-1].round + 0.5))
    _mark_divisions(losses, history)
    return losses


def _panels(ax: Any, validated: bool) -> tuple[Axes, Axes]:
    """Return axes for the losses and for the score; the same ones if there is no score."""
    pair = as_pair(ax)
    if pair is not None:
        return pair
    if ax is None:
        if validated:
            return new_pair((3, 2))
        ax = new_axes(7, 3.6)
    return ax, ax.twinx() if validated else ax


def _draw_losses(
    losses: Axes, history: History, validated: Sequence[RoundRecord], style: dict[str, Any]
) -> None:
    """Draw the curves of the losses, and from the best group to the worst."""
    rounds = history.column("round")
    spread = _spread(history)
    if spread is not None:
        low, high = spread
        losses.fill_between(rounds, low, high, color=LOSS, alpha=0.35, linewidth=0, label="groups")
    losses.plot(rounds, history.column("loss"), color=LOSS, label="training", **style)
    if validated:
        at = [record.round for record in validated]
        values = np.array([record.validation_loss for record in validated], float)
        losses.plot(at, values, color=SCORE, linestyle="--", label="validation", **style)
    losses.set_ylabel("loss")
    if _spans_decades(losses):
        losses.set_yscale("log")


def _spread(history: History) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the lowest and the highest mean loss of a group in each round, if there are groups."""
    if all(len(record.losses) < 2 for record in history):
        return None
    means = [[float(np.mean(group)) for group in record.losses] for record in history]
    return np.array([np.min(own) for own in means]), np.array([np.max(own) for own in means])


def _draw_scores(
    scores: Axes, history: History, validated: Sequence[RoundRecord], style: dict[str, Any]
) -> None:
    """Draw the curve of the score; ring the best, the first of equals."""
    at = [record.round for record in validated]
    values = np.array([record.validation_score for record in validated], float)
    scores.plot(at, values, color=SCORE, **style)
    scores.set_ylabel("validation score")
    best, score = history.best_round, history.best_score
    if best is None or score is None:
        return
    scores.plot(
        best,
        score,
        "o",
        markersize=9,
        markeredgewidth=1.8,
        markerfacecolor="none",
        color=BEST,
        label=f"best: {score:.4f}, round {best}",
    )


def _finish(losses: Axes, scores: Axes, x_limits: tuple[float, float]) -> None:
    """Grid, spines, whole rounds and legends, for one pair of axes, two of them, or a twin."""
    # A twin lies on the losses' axes: it must not draw a second grid, nor hide under a legend.
    twin = scores is not losses and scores in losses.get_shared_x_axes().get_siblings(losses)
    twin = twin and scores.get_position().bounds == losses.get_position().bounds
    for axes in {losses, scores}:
        only_left_and_bottom(axes)
        axes.set_xlim(*x_limits)
        whole_numbers(axes)
    losses.grid(alpha=0.25, linewidth=0.6)
    legend: dict[str, Any] = {"framealpha": 0.7, "edgecolor": "none", "fontsize": "small"}
    if not twin:
        losses.legend(loc="best", **legend)
    if twin:
        scores.spines["right"].set_visible(True)
        scores.tick_params(axis="y", labelcolor=SCORE)
        scores.yaxis.label.set_color(SCORE)
        handles = [*losses.lines[:2], *scores.get_legend_handles_labels()[0]]
        scores.legend(handles=handles, loc="center right", **legend)
    elif scores is not losses:
        scores.grid(alpha=0.25, linewidth=0.6)
        if scores.get_legend_handles_labels()[0]:  # none where no score is a number
            scores.legend(loc="lower right", **legend)
    (losses if twin else scores).set_xlabel("round")


def _spans_decades(axes: Axes) -> bool:
    """Whether the values are positive and span so much that small ones would vanish."""
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines])
    values = values[np.isfinite(values)]
    return bool(values.size and values.min() > 0 and values.max() > _LOG_FROM * values.min())


def _mark_divisions(axes: Axes, history: History) -> None:
    """Draw a line wherever the division changes, and write groups × sub-models above."""
    from dask_horn.diagnostics.plots.fitting import FittingText

    numbers = [(record.n_groups, record.n_submodels) for record in history]
    starts = [0] + [i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1]]
    for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True):
        first, last = history[start].round - 0.5, history[end - 1].round + 0.5
        if start:
            axes.axvline(first, color=QUIET, linewidth=0.8, linestyle=":")
        words = (_in_words(*numbers[start]), "{} × {}".format(*numbers[start]))
        FittingText(
            axes,
            words,
            (first, last),
            1.0,
            "axes fraction",
            xytext=(0, 3),
            va="bottom",
            color=QUIET,
            fontsize="small",
        )


def _in_words(n_groups: int, n_submodels: int) -> str:
    groups = "1 group" if n_groups == 1 else f"{n_groups} groups"
    return f"{groups}, undivided" if n_submodels == 1 else f"{groups} × {n_submodels} sub-models"
