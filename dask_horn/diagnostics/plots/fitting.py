"""Texts that say as much as there is room for, whatever the size of the figure.

Loaded by those who draw, for it imports matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.ticker import Locator

from dask_horn.diagnostics.plots.frame import root_of

_GAP = 4.0  # points between two texts
_SPACING = 1.4  # of lines, over the size of their letters


class FittingText(Annotation):
    """Text between two positions on the x axis: the longest of some wordings that fits there.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    words : sequence of str
        Wordings, the longest first; where none fits nothing is written.
    between : pair of float
        Positions on the x axis, in data coordinates.
    y : float
        Of the text's middle or lower edge, in the coordinates that `ycoords` names.
    ycoords : str, default "data"
        "data", or "axes fraction".
    **properties
        Of a matplotlib text.
    """

    def __init__(
        self,
        axes: Axes,
        words: Sequence[str],
        between: tuple[float, float],
        y: float,
        ycoords: str = "data",
        **properties: Any,
    ) -> None:
        self._words, self._between = words, between
        super().__init__(
            words[0],
            (sum(between) / 2, y),
            xycoords=("data", ycoords),
            textcoords="offset points",
            ha="center",
            annotation_clip=False,
            **properties,
        )
        axes.add_artist(self)
        self.set_clip_on(False)

    def fit(self, renderer: Any) -> None:
        """Choose the wording by what there is room for now."""
        axes: Any = self.axes
        # Of what is shown now: somebody may have zoomed in.
        between = np.clip(self._between, *sorted(axes.get_xlim()))
        self.xy = (float(between.mean()), self.xy[1])
        ends = axes.transData.transform([(x, axes.get_ylim()[0]) for x in between])[:, 0]
        room = abs(ends[1] - ends[0]) - _GAP * root_of(self).dpi / 72
        for words in (*self._words, ""):
            self.set_text(words)
            if not words or Annotation.get_window_extent(self, renderer).width <= room:
                return

    def draw(self, renderer: Any) -> None:
        """Draw the wording that fits."""
        self.fit(renderer)
        super().draw(renderer)

    def get_tightbbox(self, renderer: Any = None) -> Any:
        """Return what the wording that fits covers."""
        if renderer is not None:
            self.fit(renderer)
        return super().get_tightbbox(renderer)


class RowLocator(Locator):
    """Ticks at rows 0, 1, …: at every one, or at every so many where there is no room for more."""

    def __init__(self, n_rows: int) -> None:
        self._n_rows = n_rows

    def __call__(self) -> list[int]:
        """Return where there are ticks now."""
        axis: Any = self.axis
        size = axis._get_tick_label_size("y")
        points = axis.axes.bbox.height * 72 / root_of(axis).dpi
        room = max(1, int(points / (_SPACING * size)))  # labels in the height of the axes
        step = -(-self._n_rows // room)
        return list(range(0, self._n_rows, step))

    def tick_values(self, vmin: float, vmax: float) -> list[int]:
        """Return the same, for whoever asks by limits."""
        return self()
