"""The timeline of a run: which worker trained when, and when it waited."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Any

from dask_horn.diagnostics.colours import QUIET, colour_of
from dask_horn.diagnostics.plots.frame import background, legend_above, new_axes
from dask_horn.records import History, RoundRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEGEND_UP_TO = 8  # groups or sub-models; nobody looks up more colours
_EDGES_UP_TO = 600  # bars that are set off from their neighbours
_LINES = 20  # rounds up to which each has a line of its own


@dataclass(frozen=True)
class Bar:
    """One training.

    Attributes
    ----------
    worker : str
        Its address; empty without a cluster.
    group, submodel : int
    start, seconds : float
        Since the run began, and for how long.
    """

    worker: str
    group: int
    submodel: int
    start: float
    seconds: float

    @property
    def end(self) -> float:
        """When it is done."""
        return self.start + self.seconds


def plot_workers(history: History, ax: Axes | None = None) -> Axes:
    """Draw who trained when: a row for each worker, a bar for each training.

    Parameters
    ----------
    history : History
        What `dask_horn.train` returns as ``result.history``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the history has no rounds, or does not say when its trainings began.
    """
    if not len(history):
        raise ValueError("history has no rounds yet; train first")
    ends = _ends(history)
    bars = [bar for record, end in zip(history, ends, strict=True) for bar in _bars(record, end)]
    if not bars:
        raise ValueError(
            "history does not say when its trainings began, as those of earlier versions do not; "
            "train again, or use history.plot()"
        )
    workers = sorted({bar.worker for bar in bars}, key=_by_address)
    axes = new_axes(8, min(9.0, 1.2 + 0.28 * max(4, len(workers)))) if ax is None else ax
    _draw_bars(axes, bars, workers, ends[-1])
    _draw_rounds(axes, history, ends)
    _finish(axes, workers)
    return axes


def _ends(history: History) -> list[float]:
    """Return when each round was done, since the run began.

    The pauses of a run that was resumed are left out: a round's seconds are those of its work.
    """
    return list(accumulate(record.seconds for record in history))


def _bars(record: RoundRecord, end: float) -> Iterator[Bar]:
    """Place a round's trainings before its end; those of one task stand one after the other."""
    if not record.ended or not record.submodel_started:
        return
    last: dict[tuple[str, float], float] = {}
    tables = zip(record.workers, record.submodel_started, record.submodel_seconds, strict=True)
    for group, (workers, started, seconds) in enumerate(tables):
        for submodel, of_one in enumerate(zip(workers, started, seconds, strict=True)):
            worker, at, taken = of_one
            start = last.get((worker, at), end - (record.ended - at))
            last[worker, at] = start + taken
            yield Bar(worker, group, submodel, start, taken)


def _lanes(bars: Sequence[Bar]) -> list[int]:
    """Give each bar of a worker the first lane that is free: it has as many as threads train."""
    free: list[float] = []
    lanes = []
    for bar in sorted(bars, key=lambda bar: bar.start):
        slack = 0.02 * bar.seconds  # clocks differ
        lane = next((i for i, end in enumerate(free) if end <= bar.start + slack), len(free))
        free[lane : lane + 1] = [bar.end]
        lanes.append(lane)
    return lanes


def _draw_bars(axes: Axes, bars: Sequence[Bar], workers: Sequence[str], last: float) -> None:
    """Draw each worker's row, and say which part of all their time is waiting."""
    of_groups = len({bar.group for bar in bars}) > 1
    first = min(bar.start for bar in bars)
    last = max(last, *(bar.end for bar in bars))
    edge = background(axes) if len(bars) <= _EDGES_UP_TO else "none"
    n_lanes = 0
    for row, worker in enumerate(workers):
        own = sorted((bar for bar in bars if bar.worker == worker), key=lambda bar: bar.start)
        lanes = _lanes(own)
        n_lanes += 1 + max(lanes)
        height = 0.8 / (1 + max(lanes))
        axes.barh(row, last - first, left=first, height=0.8, color=QUIET, alpha=0.2, linewidth=0)
        placed = sorted(
            zip(lanes, own, strict=True), key=lambda one: (one[0], _number(one[1], of_groups))
        )
        for (lane, number), some in groupby(
            placed, key=lambda one: (one[0], _number(one[1], of_groups))
        ):
            axes.broken_barh(
                [(bar.start, bar.seconds) for _, bar in some],
                (row - 0.4 + lane * height, height),
                facecolor=colour_of(number),
                edgecolor=edge,
                linewidth=0.5,
            )
    waiting = 1 - sum(bar.seconds for bar in bars) / (n_lanes * (last - first))
    numbers = sorted({_number(bar, of_groups) for bar in bars})
    _add_legend(axes, numbers, of_groups, f"waiting, {max(0.0, waiting):.0%}")


def _number(bar: Bar, of_groups: bool) -> int:
    return bar.group if of_groups else bar.submodel


def _draw_rounds(axes: Axes, history: History, ends: Sequence[float]) -> None:
    """Draw a line where a round ends, or every so many rounds, and number them above."""
    from dask_horn.diagnostics.plots.fitting import FittingText

    step = next(
        n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if len(ends) <= _LINES * n
    )
    shown = [i for i, record in enumerate(history) if record.round % step == 0]
    axes.vlines(
        [ends[i] for i in shown],
        0,
        1,
        transform=axes.get_xaxis_transform(),
        color=QUIET,
        linewidth=0.8,
    )
    before = 0.0
    for i in shown:
        words = (f"round {history[i].round}", str(history[i].round))
        between = (before, ends[i])
        before = ends[i]
        FittingText(
            axes, words, between, 1.0, "axes fraction",
            xytext=(0, 3), va="bottom", color=QUIET, fontsize="small",
        )  # fmt: skip


def _finish(axes: Axes, workers: Sequence[str]) -> None:
    from dask_horn.diagnostics.plots.fitting import RowLocator

    names = _short(workers)
    axes.set_ylim(len(workers) - 0.5, -0.5)
    axes.margins(x=0.01)
    axes.yaxis.set_major_locator(RowLocator(len(workers)))
    axes.yaxis.set_major_formatter(lambda row, _: names[int(row)] if 0 <= row < len(names) else "")
    axes.tick_params(axis="y", left=False, labelsize="small")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("seconds")


def _add_legend(axes: Axes, numbers: Sequence[int], of_groups: bool, waiting: str) -> None:
    from matplotlib.patches import Patch

    name = "group" if of_groups else "sub-model"
    handles = [Patch(color=colour_of(number), label=f"{name} {number}") for number in numbers]
    if len(numbers) > _LEGEND_UP_TO:
        handles = [Patch(color=colour_of(0), label=f"{len(numbers)} {name}s, a colour each")]
    handles.append(Patch(color=QUIET, alpha=0.2, label=waiting))
    legend_above(axes, handles, lines=1)


def _by_address(worker: str) -> tuple[Any, ...]:
    """Sort by host, then by port as a number."""
    host, _, port = worker.rpartition(":")
    return host, int(port) if port.isdigit() else 0, worker


def _short(workers: Sequence[str]) -> list[str]:
    """Leave out what all addresses have in common."""
    hosts = {worker.rpartition(":")[0] for worker in workers}
    if workers == [""]:
        return ["this process"]
    if len(hosts) == 1:
        return [f":{worker.rpartition(':')[2]}" if ":" in worker else worker for worker in workers]
    return [worker.partition("://")[2] or worker for worker in workers]
