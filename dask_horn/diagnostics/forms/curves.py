"""Small curves as SVG, for what notebooks show of a run without matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dask_horn.diagnostics.colours import BEST
from dask_horn.diagnostics.html import Html, escaped, joined

_WIDTH, _HEIGHT = 330, 120
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 10, 24, 18  # around the curves, for words
_POINTS = 300  # that a curve of this size can show
_LOG_FROM = 20.0  # values that span more than this factor are drawn by their logarithms

Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """One line.

    Attributes
    ----------
    name : str
        For the legend; empty for none.
    colour : str
    points : sequence of (float, float)
        Round and value; the line is broken where values are not finite.
    """

    name: str
    colour: str
    points: Sequence[Point]


@dataclass(frozen=True)
class _Scale:
    """From rounds and values to places in the picture."""

    first: float
    last: float
    low: float
    high: float

    @classmethod
    def of(cls, points: Sequence[Point]) -> _Scale:
        rounds, values = zip(*points, strict=True)
        return cls(min(rounds), max(rounds), min(values), max(values))

    @property
    def is_logarithmic(self) -> bool:
        return self.low > 0 and self.high > _LOG_FROM * self.low

    def place(self, point: Point) -> Point:
        across = _share(point[0], self.first, self.last)
        if self.is_logarithmic:
            up = _share(math.log(point[1]), math.log(self.low), math.log(self.high))
        else:
            up = _share(point[1], self.low, self.high)
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )


def small_plot(title: str, curves: Sequence[Curve], best: Point | None = None) -> Html:
    """Return a picture of some curves, the best point of them marked; empty without a value."""
    points = [point for curve in curves for point in curve.points if math.isfinite(point[1])]
    if not points:
        return Html()
    scale = _Scale.of(points)
    words = f"{title} (logarithmic)" if scale.is_logarithmic else title
    drawn = [_legend(words, curves), *_axes(scale), *(_line(curve, scale) for curve in curves)]
    if best is not None:
        drawn.append(_mark(*scale.place(best)))
    return Html(
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escaped(title)} by round" font-size="11" fill="currentColor">'
        f"{joined(drawn)}</svg>"
    )


def _share(value: float, low: float, high: float) -> float:
    return 0.5 if high == low else (value - low) / (high - low)


def _line(curve: Curve, scale: _Scale) -> Html:
    """Return a curve, of no more points than can be seen."""
    every = max(1, -(-len(curve.points) // _POINTS))
    kept = [p for i, p in enumerate(curve.points) if i % every == 0 or i == len(curve.points) - 1]
    moves, pen = [], "M"
    for point in kept:
        if not math.isfinite(point[1]):
            pen = "M"
            continue
        across, down = scale.place(point)
        moves.append(f"{pen}{across:.1f} {down:.1f}")
        pen = "L"
    alone = len(moves) == 1  # a line of no length has round ends: it is a dot
    path, width = "".join(moves) + "h0" * alone, 6 if alone else 2
    return Html(
        f'<path d="{path}" fill="none" stroke="{curve.colour}" stroke-width="{width}" '
        f'stroke-linejoin="round" stroke-linecap="round"/>'
    )


def _mark(across: float, down: float) -> Html:
    """Return what marks the best round: a line through it, and a dot."""
    line = f'x1="{across:.1f}" x2="{across:.1f}" y1="{_TOP - 4}" y2="{_HEIGHT - _BOTTOM}"'
    return Html(
        f'<line {line} stroke="{BEST}" stroke-dasharray="3 3"/>'
        f'<circle cx="{across:.1f}" cy="{down:.1f}" r="4" fill="{BEST}"/>'
    )


def _legend(title: str, curves: Sequence[Curve]) -> Html:
    spans = "".join(
        f'<tspan dx="10" fill="{curve.colour}">●</tspan><tspan dx="3">{escaped(curve.name)}</tspan>'
        for curve in curves
        if curve.name
    )
    bold = '<tspan font-weight="600">'
    return Html(f'<text x="{_LEFT}" y="12">{bold}{escaped(title)}</tspan>{spans}</text>')


def _axes(scale: _Scale) -> list[Html]:
    """Return the axis of the rounds, and the numbers at the ends of both."""
    bottom, right, low, high = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT, scale.low, scale.high
    ends = [(high, _TOP + 4), (low, bottom)] if high != low else [(low, (bottom + _TOP) // 2)]
    texts = [
        f'<text x="{_LEFT - 8}" y="{y}" text-anchor="end">{value:.3g}</text>' for value, y in ends
    ]
    texts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 3}">round {scale.first:g}</text>')
    if scale.last != scale.first:
        texts.append(f'<text x="{right}" y="{_HEIGHT - 3}" text-anchor="end">{scale.last:g}</text>')
    axis = f'<path d="M{_LEFT - 4} {bottom + 4}H{right}" stroke="currentColor" opacity=".35"/>'
    return [Html(f'<g opacity=".75">{"".join(texts)}</g>'), Html(axis)]
