"""The section on growth: fits, theory beside them, and one figure of small multiples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator, ScalarFormatter

from benchmarks.growth.measuring import AXES, BASE, BATCH, STEPS, Point
from benchmarks.report import markdown_table
from dask_horn.data.rows.windows import CACHE_BYTES, WINDOW_BYTES

QUANTITIES = {
    "time": "seconds of a round",
    "bytes": "MB of slices and deltas in a round",
    "memory": "MB of a worker, beyond idle",
}
_NAMES = {
    "groups": "groups G",
    "submodels": "sub-models K",
    "width": "width",
    "samples": "samples",
    "workers": "workers",
}
_FEW = 3  # points of an axis below which no exponent is fitted


@dataclass(frozen=True)
class Fit:
    """A power law through points, by least squares of the logarithms.

    Attributes
    ----------
    exponent : float
    factor : float
        ``y = factor · x ** exponent``.
    r2 : float
        Share of the logarithms' variance that the law explains.
    worst : float
        The largest ratio of a point and the law, or of the law and a point.
    """

    exponent: float
    factor: float
    r2: float
    worst: float


def fit(x: Sequence[float], y: Sequence[float]) -> Fit:
    """Fit a power law."""
    log_x, log_y = np.log(np.asarray(x, float)), np.log(np.asarray(y, float))
    exponent, offset = np.polyfit(log_x, log_y, 1)
    off = log_y - exponent * log_x - offset
    spread = float(np.sum((log_y - log_y.mean()) ** 2))
    r2 = 1 - float(np.sum(off**2)) / spread if spread > 0 else 1.0
    return Fit(float(exponent), float(np.exp(offset)), r2, float(np.exp(np.abs(off).max())))


def parameters(width: float) -> float:
    """Parameters of 784-width-width-10."""
    return 784 * width + width**2 + 12 * width + 10


def expected(point: Point, quantity: str) -> float:
    """Count what theory says: operations (in units of no matter), or bytes."""
    width, groups, submodels = point["width"], point["groups"], point["submodels"]
    own = parameters(width / submodels)
    rows = point["samples"] / groups
    steps = max(STEPS, -(-rows // BATCH)) if point["axis"] == "samples" else STEPS
    if quantity == "time":
        return groups * submodels * steps * own / point["workers"]
    if quantity == "bytes":  # the first group's sub-models train where the parent's parts stay
        return (groups - 1) * submodels * 2 * 4 * own
    # Decoded rows; and the larger of two: what a round holds, or the end, where the whole parent is
    # put together beside its parts and the last deltas, and copied twice as it is sent to the
    # client. Parents and parts have outer momentum where there are several groups.
    data = point["samples"] * (784 + 4)
    vectors = 2 if groups > 1 else 1
    # The parts; each group's deltas until four are there to be added up, and their sums; a training
    # task's values, gradient, two moments and delta, and its activations with their gradients.
    parts = vectors * submodels * own
    deltas = submodels * own * min(groups, 4) + own * min(groups, 4)
    training = 5 * own + 4 * BATCH * (784 + 2 * width / submodels)
    on_each = (parts + deltas) / point["workers"] + training
    whole = 3 * vectors * parameters(width) + parts + deltas
    return min(data, CACHE_BYTES + 2 * WINDOW_BYTES) + 4 * max(on_each, whole)


def fitted(along: Sequence[Point], quantity: str) -> list[Point]:
    """Return the points where there is something: with one group no slice and no delta travels."""
    return [point for point in along if expected(point, quantity) > 0]


def _grows(along: Sequence[Point], quantity: str) -> bool:
    """Whether theory knows of growth: a law through a constant says nothing."""
    counted = [expected(point, quantity) for point in along]
    return max(counted) > 1.001 * min(counted)


def render(measured: Mapping[str, Any], plots: Path) -> str:
    """Write the section."""
    points = measured["points"]
    figure(points).savefig(plots / "growth.png", dpi=110)
    rows = []
    for axis in AXES:
        along = _along(points, axis)
        for quantity in QUANTITIES:
            some = fitted(along, quantity)
            if len(some) < _FEW or not _grows(some, quantity):
                continue
            x = [point[axis] for point in some]
            law = fit(x, [value(point, quantity) for point in some])
            theory = fit(x, [expected(point, quantity) for point in some])
            rows.append(
                (
                    _NAMES[axis],
                    f"{x[0]:,} – {x[-1]:,}",
                    quantity,
                    f"{law.exponent:+.2f}",
                    f"{theory.exponent:+.2f}",
                    f"{law.r2:.3f}",
                    f"{100 * (law.worst - 1):.0f} %",
                    f"{fit_of_theory(some, quantity):.2f}",
                )
            )
    header = (
        "axis", "range", "of", "fitted exponent", "of the counted", "R² of the fit",
        "farthest point", "last ÷ first, over counted",
    )  # fmt: skip
    return "\n\n".join(
        (
            _introduction(measured),
            "![Time, bytes and memory along each axis](plots/growth.png)",
            markdown_table(header, rows),
            _reading(points),
            _workers(_along(points, "workers")),
        )
    )


def value(point: Point, quantity: str) -> float:
    """What was measured: seconds of a round, or bytes."""
    if quantity == "time":
        return float(np.mean(point["seconds"]))
    return float(point[quantity])


def fit_of_theory(along: Sequence[Point], quantity: str) -> float:
    """Growth from the first point to the last, over what was counted."""
    first, last = along[0], along[-1]
    grown = value(last, quantity) / value(first, quantity)
    return grown / (expected(last, quantity) / expected(first, quantity))


def figure(points: Sequence[Point]) -> Figure:
    """Draw the small multiples: a column for each axis, a row for each quantity."""
    drawn = Figure(figsize=(15, 8.5), layout="constrained")
    grid = drawn.subplots(len(QUANTITIES), len(AXES), sharex="col", sharey="row")
    for column, axis in enumerate(AXES):
        along = _along(points, axis)
        for row, (quantity, label) in enumerate(QUANTITIES.items()):
            _panel(grid[row, column], fitted(along, quantity), axis, quantity)
            if column == 0:
                grid[row, 0].set_ylabel(label)
        grid[-1, column].set_xlabel(_NAMES[axis])
    handles, labels = grid[0, 0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    return drawn


def _panel(axes: Axes, along: Sequence[Point], axis: str, quantity: str) -> None:
    x = np.array([point[axis] for point in along], float)
    y = np.array([value(point, quantity) for point in along])
    theory = np.array([expected(point, quantity) for point in along])
    if quantity == "time":  # operations have no unit of time: their level is fitted
        theory *= np.exp(np.mean(np.log(y / theory)))
    scale = 1.0 if quantity == "time" else 1e6
    axes.loglog(x, theory / scale, "--", color="0.55", label="counted")
    axes.loglog(x, y / scale, "o", color="C0", label="measured")
    if len(along) >= _FEW:
        law = fit(x, y)
        axes.loglog(x, law.factor * x**law.exponent / scale, color="C0", lw=1, label="fitted")
        axes.set_title(f"exponent {law.exponent:+.2f}, counted {fit(x, theory).exponent:+.2f}",
                       fontsize=10)  # fmt: skip
    else:
        axes.set_title(f"last ÷ first {y[-1] / y[0]:.2f}", fontsize=10)
    axes.set_xticks(x, [f"{v:,.0f}" if v < 10000 else f"{v / 1024:,.0f} Ki" for v in x],
                    rotation=40 if axis == "samples" else 0, fontsize=8)  # fmt: skip
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)


def _along(points: Sequence[Point], axis: str) -> list[Point]:
    return sorted((point for point in points if point["axis"] == axis), key=lambda p: p[axis])


def _introduction(measured: Mapping[str, Any]) -> str:
    points = measured["points"]
    blas = "/".join(sorted({name for point in points for name in point["blas"]}))
    rounds = len(points[0]["seconds"])
    bases = "; ".join(
        f"along {_NAMES[axis]} {_base_of(points, axis)}" for axis in AXES if _along(points, axis)
    )
    return (
        f"784-width-width-10 on MNIST's images (repeated where there are more), equal parts, batch "
        f"{BATCH}, AdamW, {STEPS} steps of each sub-model in a round, or one pass where samples "
        f"grow. One axis at a time, the others fixed ({bases}). Each point is a fresh process and "
        f"a fresh local cluster of one-thread workers, in random order; kernels are loaded before. "
        f"BLAS kernels {blas}, OPENBLAS_CORETYPE unset. Time is the run's over its {rounds} "
        "rounds. Bytes are those of the slices and deltas of a steady round, neither the first nor "
        "the last: of all groups but the first, whose sub-models train where the parent's parts "
        "stay. They are counted for each group, whether or not they cross the network; a slice "
        "comes to a worker once for all groups that it trains. Memory is a worker's peak (VmHWM) "
        "in the whole run, in which the parent is drawn and cut, and put together at the end, "
        "beyond what the worker had with its kernels loaded, "
        f"{min(p['idle'] for p in points) / 1e6:.0f} to {max(p['idle'] for p in points) / 1e6:.0f} "
        "MB. Lines are least squares of the logarithms; dashed is what is counted: operations of "
        "all sub-models (the level fitted, as nothing says how long one takes), bytes of their "
        "parameters, and bytes of all arrays that are held at a time, no fit."
    )


def _base_of(points: Sequence[Point], axis: str) -> str:
    one = _along(points, axis)[0]
    short = {"groups": "G", "submodels": "K"}
    return ", ".join(f"{short.get(name, name)} {one[name]:,}" for name in BASE if name != axis)


def _reading(points: Sequence[Point]) -> str:
    """Say in words what the fits mean; true whatever they are."""
    along = _along(points, "submodels")
    first, last = along[0], along[-1]
    count, took = (
        expected(first, "time") / expected(last, "time"),
        value(first, "time") / value(last, "time"),
    )
    moving = fitted(points, "bytes")
    bytes_ok = max(abs(value(p, "bytes") / expected(p, "bytes") - 1) for p in moving)
    memory = [value(p, "memory") / expected(p, "memory") for p in points]
    return (
        "A sub-model has width/K units in each hidden layer: its time goes as (width/K)² for the "
        "matrix between hidden layers and as width/K for the first and the last, and so do its "
        f"bytes; the counted exponents mix the two. From K = {first['submodels']} to "
        f"{last['submodels']} a round needs {count:.1f} times fewer operations and took "
        f"{took:.1f} times less long: what is missing is lost to smaller, less efficient products "
        "and to what each task costs besides. "
        f"Bytes are as counted to {100 * bytes_ok:.2g} %. {_alone(points)}The peak of memory was "
        f"{min(memory):.2f} to {max(memory):.2f} of the counted bytes. Exponents of memory are "
        "those of a sum of things that grow and things that do not, and say little beyond their "
        "range; samples cost memory until the cache of decoded rows is full "
        f"({CACHE_BYTES / 2**20:.0f} MiB), then no more."
    )


def _alone(points: Sequence[Point]) -> str:
    """Say what moves where there is one group, which no exponent tells."""
    alone = [value(point, "bytes") for point in points if point["groups"] == 1]
    if not alone:
        return ""
    return (
        f"With one group slices and deltas of a round were {max(alone) / 1e6:.1f} MB: all that its "
        "sub-models tell each other are shares of what all of them hold, such as the output's "
        "bias, so that point is in no fit of bytes. "
    )


def _workers(along: Sequence[Point]) -> str:
    if len(along) < 2:
        return ""
    one, two = along[0], along[-1]
    times = value(one, "time") / value(two, "time")
    share = [
        sum(point["kernel_seconds"]) / sum(point["seconds"]) / point["workers"]
        for point in (one, two)
    ]
    return (
        f"Two workers, one for each core of this machine, did a round {times:.2f} times as fast "
        f"as one ({value(one, 'time'):.2f} and {value(two, 'time'):.2f} s), with "
        f"{100 * share[0]:.0f} and {100 * share[1]:.0f} % of their time in training tasks. Each "
        f"held {value(two, 'memory') / 1e6:.0f} MB where the one had "
        f"{value(one, 'memory') / 1e6:.0f}; {two['sent'] / 1e6:.1f} MB a round left a worker, by "
        f"the workers' own counters, where a steady round has {value(two, 'bytes') / 1e6:.1f} MB "
        f"of slices and deltas (with one worker {one['sent'] / 1e6:.1f}: the parent that goes to "
        f"the client at the end counts for all {len(one['seconds'])} rounds)."
    )
