"""Figures as they are rendered: which texts can be seen, and whether they can be read."""

from __future__ import annotations

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

_TOUCH = 1.0  # pixels that boxes of texts may overlap: letters do not fill them


def figure(width: int, height: int = 300, dpi: int = 100) -> Figure:
    """A figure of so many pixels that pyplot knows nothing of."""
    made = Figure(figsize=(width / dpi, height / dpi), dpi=dpi, layout="constrained")
    FigureCanvasAgg(made)
    return made


def texts(drawn: Figure) -> dict[Text, Bbox]:
    """The texts of a figure that can be seen, and where they are, in pixels."""
    drawn.canvas.draw()
    renderer = drawn.canvas.get_renderer()
    undrawn = _undrawn(drawn)
    return {
        text: text.get_window_extent(renderer)
        for text in drawn.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in undrawn
    }


def _undrawn(drawn: Figure) -> set[Text]:
    """Labels of ticks beyond the ends of their axis, and of axes that are not shown."""
    found: set[Text] = set()
    for axes in (inner for outer in drawn.axes for inner in (outer, *outer.child_axes)):
        for axis in (axes.xaxis, axes.yaxis):
            shown = axis._update_ticks() if axis.get_visible() else []
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            labels = {label for tick in ticks for label in (tick.label1, tick.label2)}
            found |= labels - {label for tick in shown for label in (tick.label1, tick.label2)}
            if not axis.get_visible():
                found |= {axis.label, axis.offsetText}
    return found


def assert_readable(drawn: Figure) -> None:
    """Fail where texts overlap, or are cut off by the figure's edge."""
    found = texts(drawn)
    whole = Bbox.from_bounds(0, 0, *drawn.canvas.get_width_height())
    for text, box in found.items():
        outside = box.x0 < whole.x0 - 1 or box.x1 > whole.x1 + 1
        outside |= box.y0 < whole.y0 - 1 or box.y1 > whole.y1 + 1
        assert not outside, f"{text.get_text()!r} is cut off: {box}"
    for (one, box), (other, beside) in combinations(found.items(), 2):
        both = Bbox.intersection(box, beside)
        overlap = both is not None and min(both.width, both.height) > _TOUCH
        assert not overlap, f"{one.get_text()!r} and {other.get_text()!r} overlap"
