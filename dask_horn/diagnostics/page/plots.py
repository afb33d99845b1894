"""The page's plots: each draws a run, and sends only what is new."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from bokeh.layouts import column, row
from bokeh.models import (
    DataRange1d,
    FactorRange,
    FixedTicker,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
)

from dask_horn.diagnostics.colours import BEST, LOSS, MERGE, QUIET, SCORE, colour_of
from dask_horn.diagnostics.page.division import NOTHING, division
from dask_horn.diagnostics.page.feeds import Feed, set_if_new
from dask_horn.diagnostics.page.look import plot, sizes, spans
from dask_horn.diagnostics.page.state import Run
from dask_horn.diagnostics.page.timeline import Share, bars, shares
from dask_horn.diagnostics.page.traffic import traffic

_STAGES = {"train": LOSS, "merge": MERGE, "score": SCORE}
_LANES = 24  # workers that are drawn
_ROUNDS_IN_SIGHT = 6  # on the timeline, until one scrolls
_TOOLS = "xpan,xwheel_zoom,reset"

Names = Callable[[str], str]  # a worker's name, by its address


class LossPlot:
    """Loss by round and group, the merged parent's score below it, and the best round."""

    def __init__(self, title: str | None = None) -> None:
        self.mean = Feed("rounds", ["round", "loss", "low", "high", "seconds"])
        self.groups = Feed("groups", ["key", "xs", "ys", "colour"])
        self.scores = Feed("scores", ["round", "score"])
        self.best = Feed("best", ["round", "score", "words"])
        self.rounds = DataRange1d(range_padding=0.03, only_visible=True)
        self.loss = self._loss_figure(title)
        self.score = self._score_figure()
        self.figures = [self.loss, self.score]
        self.root = column(self.loss, self.score, sizing_mode="stretch_both", spacing=0)

    def update(self, run: Run | None, now: float, names: Names) -> None:
        """Draw what is new."""
        rounds = [] if run is None else [run.rounds[n] for n in sorted(run.rounds)]
        self.mean.send(
            {o.round: (o.round, o.loss, o.lowest, o.highest, o.seconds / o.covers) for o in rounds}
        )
        self.groups.send(_lines_by_group(rounds))
        set_if_new(self.loss.yaxis[0].ticker, ticks=_log_ticks(rounds))
        scored = [one for one in rounds if one.score is not None]
        self.scores.send({one.round: (one.round, one.score) for one in scored})
        best = None if run is None else run.best
        marked = (
            {}
            if best is None or best.score is None
            else {
                best.round: (best.round, best.score, f"best: round {best.round}, {best.score:.4g}")
            }
        )
        self.best.send(marked)
        set_if_new(self.score, visible=bool(scored))
        set_if_new(self.loss.xaxis[0], visible=not scored)  # the score's is below it

    def _loss_figure(self, title: str | None) -> Any:
        fig = plot(title, _TOOLS, y_axis_type="log", x_range=self.rounds, min_border_right=16)
        fig.xaxis.axis_label = "round"
        fig.yaxis.axis_label = "training loss"
        fig.yaxis.formatter = NumeralTickFormatter(format="0.[0000]")
        fig.yaxis.ticker = FixedTicker()
        fig.xaxis.ticker.min_interval = 1
        fig.xaxis.ticker.num_minor_ticks = 0
        fig.xgrid.visible = False
        fig.varea("round", "low", "high", source=self.mean.source, fill_color=LOSS, fill_alpha=0.12)
        fig.multi_line(
            "xs", "ys", source=self.groups.source, line_color="colour", line_alpha=0.55,
            line_width=1.2,
        )  # fmt: skip
        fig.line("round", "loss", source=self.mean.source, line_color=LOSS, line_width=2.5)
        dots = fig.scatter("round", "loss", source=self.mean.source, color=LOSS, size=5)
        tips = [
            ("round", "@round"),
            ("loss", "@loss{0.0000}"),
            ("groups", "@low{0.0000} – @high{0.0000}"),
            ("took", "@seconds{0.00} s"),
        ]
        fig.add_tools(HoverTool(renderers=[dots], tooltips=tips, mode="vline"))
        return fig

    def _score_figure(self) -> Any:
        fig = plot(
            None, _TOOLS, x_range=self.rounds, y_range=DataRange1d(range_padding=0.4),
            min_border_right=16,
        )  # fmt: skip
        fig.yaxis.ticker.desired_num_ticks = 4
        fig.xaxis.axis_label = "round"
        fig.yaxis.axis_label = "score"
        fig.yaxis.formatter = NumeralTickFormatter(format="0.[000]")
        _whole_rounds(fig)
        fig.line("round", "score", source=self.scores.source, line_color=SCORE, line_width=2.5)
        dots = fig.scatter("round", "score", source=self.scores.source, color=SCORE, size=5)
        fig.scatter(
            "round", "score", source=self.best.source, size=13, marker="circle",
            line_color=BEST, fill_color=None, line_width=2.5,
        )  # fmt: skip
        tips = [("round", "@round"), ("score", "@score{0.0000}")]
        fig.add_tools(HoverTool(renderers=[dots], tooltips=tips, mode="vline"))
        return fig


def _whole_rounds(fig: Any) -> None:
    fig.xaxis.ticker.min_interval = 1
    fig.xaxis.ticker.num_minor_ticks = 0
    fig.xgrid.visible = False
    fig.yaxis.ticker.num_minor_ticks = 0


def _log_ticks(rounds: list[Any]) -> list[float]:
    """Return ticks for the losses: Bokeh's own are linear over less than two decades."""
    losses = [loss for one in rounds for loss in (one.lowest, one.highest) if loss > 0]
    if not losses:
        return []
    low, high = math.floor(math.log10(min(losses))), math.ceil(math.log10(max(losses)))
    steps = (1, 2, 5) if high - low < 4 else (1,)
    return [step * 10.0**decade for decade in range(low - 1, high + 1) for step in steps]


def _lines_by_group(rounds: list[Any]) -> dict[Any, tuple[Any, ...]]:
    """Return a line for each group: of several, where there are not too many."""
    lines: dict[int, tuple[list[int], list[float]]] = {}
    for one in rounds:
        for group, loss in enumerate(one.groups if len(one.groups) > 1 else ()):
            xs, ys = lines.setdefault(group, ([], []))
            xs.append(one.round)
            ys.append(loss)
    return {
        group: (f"group {group}", xs, ys, colour_of(group + 1))
        for group, (xs, ys) in sorted(lines.items())
    }


class MapPlot:
    """The division: a band for each group, a rectangle for each sub-model."""

    def __init__(self, title: str | None = None) -> None:
        columns = ["place", "left", "right", "bottom", "top", "filled", "colour", "who", "loss",
                   "before", "seconds", "percent", "middle", "units"]  # fmt: skip
        self.feed = Feed("division", columns)
        self.across, self.down = Range1d(start=0, end=1), Range1d(start=1, end=0)
        self.title = title
        self.root = fig = plot(title, x_range=self.across, y_range=self.down, min_border_right=16)
        fig.xaxis.axis_label = "units of the divided layers"
        fig.yaxis.axis_label = "group"
        fig.yaxis.ticker.min_interval = 1
        fig.yaxis.ticker.num_minor_ticks = 0
        fig.xaxis.ticker.num_minor_ticks = 0
        fig.grid.visible = False
        whole = fig.quad(
            "left", "right", "top", "bottom", source=self.feed.source, fill_color="colour",
            fill_alpha=0.25, line_color=None,
        )  # fmt: skip
        fig.quad(
            "left", "right", "filled", "bottom", source=self.feed.source, fill_color="colour",
            fill_alpha=0.75, line_color=None,
        )  # fmt: skip
        edges = fig.quad(
            "left", "right", "top", "bottom", source=self.feed.source, fill_color=None,
            line_color="#ffffff", line_width=2,
        )  # fmt: skip
        edges.glyph.tags = ["ground"]
        tips = [("", "@place"), ("units", "@units"), ("worker", "@who"),
                ("loss", "@loss (round before: @before)"),
                ("trained", "@percent in @seconds")]  # fmt: skip
        fig.add_tools(HoverTool(renderers=[whole], tooltips=tips))
        self.figures = [fig]

    def update(self, run: Run | None, now: float, names: Names) -> None:
        """Draw what is new."""
        found = NOTHING if run is None else division(run)
        numbers = {} if run is None else run.numbers()
        # Rows of another division have other keys: all is sent anew when parts are joined.
        rows = {
            (found.n_submodels, one.group, one.submodel): _rectangle_row(one, numbers, names)
            for one in found.rectangles
        }
        self.feed.send(rows)
        bands = 1 + max((one.group for one in found.rectangles), default=0)
        set_if_new(self.across, end=max((one.right for one in found.rectangles), default=1.0))
        set_if_new(self.down, start=bands - 0.5, end=-0.5)


def _rectangle_row(one: Any, numbers: dict[str, int], names: Names) -> tuple[Any, ...]:
    bottom, top = one.group + 0.46, one.group - 0.46
    return (
        f"sub-model {one.submodel} of group {one.group}",
        one.left,
        one.right,
        bottom,
        top,
        bottom + (top - bottom) * one.fraction,
        colour_of(numbers[one.worker]) if one.worker in numbers else QUIET,
        names(one.worker) if one.worker else "none yet",
        "–" if one.loss is None else f"{one.loss:.4g}",
        "–" if one.loss_before is None else f"{one.loss_before:.4g}",
        "–" if one.seconds is None else f"{one.seconds:.2f} s",
        f"{one.fraction:.0%}",
        (one.left + one.right) / 2,
        f"{one.right - one.left:.0f}",
    )


class TimelinePlot:
    """Trainings, merges and scores of each worker; beside it what each achieves."""

    def __init__(self, title: str | None = None) -> None:
        columns = ["lane", "start", "end", "stage", "round", "words", "seconds", "colour", "alpha"]
        self.feed = Feed("tasks", columns)
        self.shares = Feed("workers", ["lane", "rate", "busy", "colour", "words"])
        self.lanes = FactorRange()
        self.time = DataRange1d(follow="end", follow_interval=30.0, range_padding=0.0)
        self.lane_figure = self._lane_figure(title)
        self.share_figure = self._share_figure(title and " ")
        self.figures = [self.lane_figure, self.share_figure]
        self.root = row(self.lane_figure, self.share_figure, sizing_mode="stretch_both", spacing=0)

    def update(self, run: Run | None, now: float, names: Names) -> None:
        """Draw what is new."""
        if run is None:
            return
        numbers = run.numbers()
        ordered = sorted(numbers, key=lambda address: _in_order(names(address)))
        lanes = {address: names(address) for address in ordered[:_LANES]}
        factors = list(reversed(lanes.values()))
        set_if_new(self.lanes, factors=factors)
        beyond = f"the first {_LANES} of {len(numbers)} workers"
        set_if_new(self.lane_figure.yaxis[0], axis_label=beyond if len(numbers) > _LANES else None)
        origin = _origin(run)
        rows = {
            bar.key: (
                lanes[bar.worker], bar.start - origin, bar.end - origin, bar.stage, bar.round,
                bar.words, bar.end - bar.start, _STAGES.get(bar.stage, QUIET),
                0.9 if bar.round % 2 or bar.stage != "train" else 0.6,
            )
            for bar in bars(run)
            if bar.worker in lanes
        }  # fmt: skip
        self.feed.send(rows)
        set_if_new(self.time, follow_interval=_window(run))
        achieved = [one for one in shares(run) if one.worker in lanes]
        self.shares.send({one.worker: _share_row(one, lanes, numbers) for one in achieved})

    def _lane_figure(self, title: str | None) -> Any:
        fig = plot(title, _TOOLS, y_range=self.lanes, x_range=self.time)
        fig.xaxis.axis_label = "time since training began"
        fig.xaxis.formatter = spans()
        fig.xaxis.ticker.num_minor_ticks = 0
        fig.ygrid.visible = False
        drawn = fig.hbar(
            "lane", 0.72, "end", "start", source=self.feed.source, fill_color="colour",
            fill_alpha="alpha", line_color="#ffffff", line_width=1,
        )  # fmt: skip
        drawn.glyph.tags = ["ground"]
        tips = [("", "@stage, round @round @words"), ("took", "@seconds{0.000} s"),
                ("worker", "@lane")]  # fmt: skip
        fig.add_tools(HoverTool(renderers=[drawn], tooltips=tips))
        return fig

    def _share_figure(self, title: str | None) -> Any:
        fig = plot(title, y_range=self.lanes, x_range=DataRange1d(start=0), min_border_right=16)
        fig.update(sizing_mode="stretch_height", width=150)
        fig.yaxis.visible = False
        fig.grid.visible = False
        fig.xaxis.axis_label = "samples/s, each"
        fig.xaxis.formatter = NumeralTickFormatter(format="0 a")
        fig.xaxis.ticker.desired_num_ticks = 3
        fig.xaxis.ticker.num_minor_ticks = 0
        drawn = fig.hbar(
            "lane", 0.72, "rate", 0, source=self.shares.source, fill_color="colour",
            fill_alpha=0.85, line_color=None,
        )  # fmt: skip
        fig.add_tools(HoverTool(renderers=[drawn], tooltips=[("@lane", "@words")]))
        return fig


def _in_order(name: str) -> list[tuple[int, str]]:
    """Put worker 10 after worker 9."""
    return [
        (int(part or 0), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)
    ]


def _share_row(one: Share, lanes: dict[str, str], numbers: dict[str, int]) -> tuple[Any, ...]:
    words = f"{one.rate:,.0f}/s, {one.busy:.0%} busy"
    return lanes[one.worker], one.rate, one.busy, colour_of(numbers[one.worker]), words


def _origin(run: Run) -> float:
    """Where the time axis begins."""
    return run.first if run.begun is None else float(run.begun["time"])


def _window(run: Run) -> float:
    """How many seconds of the run are in sight: the last rounds, and what is trained since."""
    last = sorted(run.rounds)[-_ROUNDS_IN_SIGHT:]
    if not last:
        return 10.0
    first = run.rounds[last[0]]
    return max(10.0, 5.0 * math.ceil((run.last - first.ended + first.seconds) / 5))


class TrafficPlot:
    """Bytes moved so far, and what data-parallel training would have moved."""

    def __init__(self, title: str | None = None) -> None:
        self.feed = Feed("traffic", ["round", "moved", "others", "words"])
        rounds = DataRange1d(range_padding=0.03)
        self.root = fig = plot(
            title, _TOOLS, y_axis_type="log", x_range=rounds, min_border_right=16
        )
        fig.xaxis.axis_label = "round"
        fig.yaxis.axis_label = "moved so far"
        fig.yaxis.formatter = sizes()
        _whole_rounds(fig)
        fig.line("round", "others", source=self.feed.source, line_color=QUIET, line_width=2.5,
                 line_dash=[6, 3])  # fmt: skip
        fig.line("round", "moved", source=self.feed.source, line_color=LOSS, line_width=2.5)
        dots = fig.scatter("round", "moved", source=self.feed.source, color=LOSS, size=5)
        tips = [("round", "@round"), ("moved", "@moved{0.0 b}"),
                ("data-parallel", "@others{0.0 b}"), ("", "@words")]  # fmt: skip
        fig.add_tools(HoverTool(renderers=[dots], tooltips=tips, mode="vline"))
        self.figures = [fig]

    def update(self, run: Run | None, now: float, names: Names) -> None:
        """Draw what is new."""
        rows: dict[int, tuple[Any, ...]] = {}
        for one in [] if run is None else traffic(run):
            others = one.data_parallel
            times = f"{others / one.moved:,.0f} times as much" if others and one.moved else ""
            moved = one.moved or float("nan")  # the axis is logarithmic
            rows[one.round] = (one.round, moved, others or float("nan"), times)
        self.feed.send(rows)
