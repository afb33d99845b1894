"""Draws the picture of the idea in the README: `python docs/figures/idea.py` writes idea.png."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

import dask_horn as horn

WIDTHS = (4, 8, 8, 2)  # units of input, two hidden layers, output
SUBMODELS = ("#0072B2", "#E69F00")
SHARED = "#555555"  # input and output are never divided


def draw_network(
    axes: Axes, left: float, middle: float, parts: list[np.ndarray] | None, spacing: float = 0.34
) -> None:
    """Draw layers as columns of units; connections between sub-models are left out."""
    columns = [left + 0.62 * i for i in range(len(WIDTHS))]
    heights = [middle + spacing * (np.arange(n) - (n - 1) / 2) for n in WIDTHS]
    holders = [None, *(parts or [None, None]), None]
    colour_of = [
        [SHARED] * n if holder is None else [SUBMODELS[h] for h in holder]
        for n, holder in zip(WIDTHS, holders, strict=True)
    ]
    for i in range(len(WIDTHS) - 1):
        for a, ya in enumerate(heights[i]):
            for b, yb in enumerate(heights[i + 1]):
                ends = {colour_of[i][a], colour_of[i + 1][b]} - {SHARED}
                if len(ends) > 1:
                    continue  # dropped: its ends belong to different sub-models
                colour = ends.pop() if ends else "0.65"
                line = dict(color=colour, linewidth=0.5, alpha=0.55, zorder=1)
                axes.plot([columns[i], columns[i + 1]], [ya, yb], **line)
    for x, ys, colours in zip(columns, heights, colour_of, strict=True):
        axes.scatter(
            [x] * len(ys), ys, s=34, c=colours, zorder=2, edgecolors="white", linewidths=0.6
        )


def draw_rows(axes: Axes, left: float, middle: float, colour: str) -> None:
    """Draw a group's subset as a stack of row blocks."""
    for i in range(4):
        corner = (left, middle - 0.42 + 0.22 * i)
        axes.add_patch(Rectangle(corner, 0.55, 0.17, color=colour, linewidth=0))


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=13, color="0.35"))


def draw() -> Figure:
    figure = Figure(figsize=(9.6, 5.6), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_aspect("equal")
    network = horn.Network(
        [*(horn.Dense(n, activation="relu") for n in WIDTHS[1:-1]), horn.Dense(WIDTHS[-1])],
        input_shape=WIDTHS[0],
    )
    draw_network(axes, 0, 0, None)
    partition = horn.Partition.draw(network, 2, seed=6, concentration=12)
    for group, middle in enumerate((1.8, -1.8)):
        draw_network(axes, 5.0, middle, list(partition.parts.values()))
        draw_rows(axes, 3.75, middle, "0.8" if group == 0 else "0.62")
        arrow(axes, (2.1, 0.35 * (1 - 2 * group)), (3.6, middle * 0.8))
        arrow(axes, (7.1, middle * 0.8), (8.6, 0.35 * (1 - 2 * group)))
        axes.text(4.03, middle + 0.75, f"rows of\ngroup {group + 1}", ha="center", va="bottom")
    draw_network(axes, 8.9, 0, None)
    words = dict(ha="center", va="center")
    for x in (0.93, 9.83):
        axes.text(x, 1.65, "parent model", weight="bold", **words)
    axes.text(2.75, 0, "divide\nat random", style="italic", **words)
    axes.text(8.0, 0, "merge", style="italic", **words)
    note = "each colour is a sub-model:\none worker trains it alone,\nmany steps, no messages"
    axes.text(5.7, 0, note, fontsize=9, color="0.25", **words)
    low = -3.55
    axes.plot([9.83, 9.83, 0.93, 0.93], [-1.5, low, low, -2.0], color="0.35", linewidth=1)
    arrow(axes, (0.93, -2.2), (0.93, -1.45))
    caption = dict(style="italic", bbox={"color": "white", "pad": 4}, **words)
    axes.text(5.4, low, "round after round; at last the parts are joined", **caption)
    axes.set_xlim(-0.3, 11.1)
    axes.set_ylim(-3.75, 3.2)
    return figure


if __name__ == "__main__":
    draw().savefig(Path(__file__).with_name("idea.png"), dpi=130)
