"""How far predictions can be relied on: predicted beside observed shares, and their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.diagnostics.colours import LOSS, QUIET
from dask_horn.diagnostics.plots.frame import as_pair, ink, only_left_and_bottom, root_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dask_horn.model.reliability import Reliability

# Of the histogram below single axes: across them all, and inches from their lower edge.
_STRIP = (0.0, -0.75, 1.0, 0.6)
_Z = 1.96  # of a 95 % interval


def plot_reliability(
    now: Reliability,
    before: Reliability | None,
    temperature: float,
    of: str,
    confidence: bool,
    ax: Axes | Sequence[Axes] | None = None,
) -> Axes:
    """Draw predicted probabilities beside how often what they predict has happened.

    Parameters
    ----------
    now, before : Reliability
        At the model's temperature and, where it is calibrated, at 1.
    temperature : float
    of : str
        The class whose probability it is; empty for the most probable one, or each label.
    confidence : bool
        Whether it is that of the most probable class.
    ax : Axes or pair of Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    upper, lower = _panels(ax)
    if before is not None:
        line: dict[str, Any] = {"color": QUIET, "marker": "s", "markersize": 3.5, "linewidth": 1.2}
        upper.plot(before.expected, before.observed, label="before", **line)
        _draw_counts(lower, before, {"edgecolor": QUIET, "fill": False, "linewidth": 1.0})
    _draw_points(upper, now, "" if before is None else f"temperature {temperature:.2f}")
    _draw_counts(lower, now, {"color": LOSS, "alpha": 0.5, "linewidth": 0})
    what = "confidence" if confidence else f"probability of {of}" if of else "probability"
    upper.set_ylabel("accuracy" if confidence else f"share of {of}" if of else "observed share")
    was = "" if before is None else f" ({before.error:.3f} before calibration)"
    short = "" if before is None else f" (was {before.error:.3f})"
    heading = (
        f"expected calibration error {now.error:.3f}{was}",
        f"calibration error {now.error:.3f}{short}",
        f"ECE {now.error:.3f}{short}",
        f"ECE {now.error:.3f}",
    )
    _finish(upper, lower, heading, what, "samples" if confidence or of else "labels")
    return upper


def plot_quantiles(found: Reliability, ax: Axes | Sequence[Axes] | None = None) -> Axes:
    """Draw the quantiles of predicted distributions beside the share of targets below them.

    Parameters
    ----------
    found : Reliability
    ax : Axes or pair of Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    upper, lower = _panels(ax)
    _draw_points(upper, found, "")
    _draw_counts(lower, found, {"color": LOSS, "alpha": 0.5, "linewidth": 0})
    lower.axhline(found.counts.mean(), color=QUIET, linestyle="--", linewidth=1)
    upper.set_ylabel("share of targets below")
    heading = (
        f"mean calibration error of quantiles {found.error:.3f}",
        f"calibration error {found.error:.3f}",
        f"error {found.error:.3f}",
    )
    _finish(upper, lower, heading, "predicted quantile", "targets")
    return upper


def _panels(ax: Any) -> tuple[Axes, Axes]:
    """Return axes for the diagram and for the histogram."""
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    pair = as_pair(ax)
    if pair is not None:
        return pair
    if ax is None:
        from matplotlib import pyplot

        upper, lower = pyplot.subplots(
            2, 1, sharex=True, figsize=(5, 5), height_ratios=(4, 1), layout="constrained"
        )[1]
        return upper, lower
    # Not as a share of the axes' height: that depends on what the strip takes of it.
    below = root_of(ax).dpi_scale_trans + ScaledTranslation(0, 0, ax.transAxes)
    across = blended_transform_factory(ax.transAxes, below)
    lower = ax.inset_axes(_STRIP, transform=across, sharex=ax)
    ax.tick_params(labelbottom=False)
    return ax, lower


def _draw_points(axes: Axes, found: Reliability, label: str) -> None:
    """Draw points with their intervals, beside the diagonal on which they would be right."""
    axes.plot([0, 1], [0, 1], color=QUIET, linestyle="--", linewidth=1, zorder=1)
    low, high = _wilson(found.observed, found.decisions)
    axes.errorbar(
        found.expected,
        found.observed,
        yerr=(found.observed - low, high - found.observed),
        color=LOSS,
        marker="o",
        markersize=4.5,
        linewidth=1.6,
        elinewidth=1.0,
        label=label or None,
    )


def _wilson(
    share: NDArray[np.float64], n: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of Wilson's 95 % interval for shares of n each, which are in it."""
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return np.minimum(middle - half, share), np.maximum(middle + half, share)


def _draw_counts(axes: Axes, found: Reliability, style: dict[str, Any]) -> None:
    """Draw how many there are in each bin."""
    axes.bar(found.edges[:-1], found.counts, np.diff(found.edges), align="edge", **style)


def _finish(upper: Axes, lower: Axes, heading: Sequence[str], what: str, counted: str) -> None:
    from matplotlib.ticker import MaxNLocator

    from dask_horn.diagnostics.plots.fitting import FittingText

    for axes in (upper, lower):
        only_left_and_bottom(axes)
        axes.set_xlim(-0.02, 1.02)
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.set_axisbelow(True)
    upper.set_ylim(-0.03, 1.03)
    lower.set_ylim(bottom=0)
    lower.yaxis.set_major_locator(MaxNLocator(nbins=2, integer=True, min_n_ticks=1))
    lower.set_xlabel(what)
    lower.set_ylabel(counted)
    if upper.get_legend_handles_labels()[0]:
        upper.legend(loc="upper left", framealpha=0.7, edgecolor="none", fontsize="small")
    FittingText(
        upper,
        heading,
        (-0.02, 1.02),
        1.0,
        "axes fraction",
        xytext=(0, 5),
        va="bottom",
        color=ink(upper),
    )
