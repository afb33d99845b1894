"""The section of RESULTS.md, and its picture, from what was measured."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import markdown_table
from benchmarks.time_to_accuracy.run import AS_INSTALLED, EQUAL, RACES, Race, Runs
from benchmarks.time_to_accuracy.task import Course

__all__ = ["render"]

_OURS = "dask_horn, cluster"
_INTRODUCTION = """\
How long until a network is as accurate as wanted, on two cores. All train 784-N-N-10 with relu on
the same 55,000 of MNIST's training images; the other 5,000, drawn once, are held out. The rule
that stops a training is the same for all: {rule} % of the held-out images are classified right.
The test images have no say in it.

dask_horn reads uint8 from Zarr, and its time runs from the call of `train`: opening and surveying
the store counts. PyTorch has all samples in memory as float32, standardized by the mean and the
deviation of all pixels, and its time is that of its steps alone. For all of them kernels are
compiled or loaded, threads and processes are up, and what it takes to score a model does not
count: PyTorch's clock stands still meanwhile; dask_horn, whose runs repeat bit for bit, trains
once on the clock and once more for the models of its rounds (their losses are checked to be
equal). dask_horn's curve has a point after each round, PyTorch's ten in a pass over the samples.
Each run has a process of its own; contestants take turns, seed after seed; medians are given, and
the least and the most. What was never reached counts as later than all else. Memory is the
resident peak; PyTorch's holds all samples as float32.
"""
_PEERS = """\
PyTorch is eager (compiled, a step took as long: 9.1 ms, not 8.9, with 800 units), has fused
optimizers, denormals flushed, and a learning rate that warms up and follows a cosine. DDP's batch
is that of both processes together. Settings, the length of the schedule among them, were chosen on
other seeds than those of the table: dask_horn's by the time to the same rule, PyTorch's for 800
units by the number of passes to it; DDP has those of one process, and 4096 units have half the
learning rate. The test images had no say in that.
"""


def render(measured: dict[str, dict[str, Runs]], plots: Path) -> str:
    """Write the section."""
    rules = " and ".join(sorted({f"{RACES[name].target:g}" for name in measured}))
    parts = [_INTRODUCTION.format(rule=rules) + "\n" + _PEERS]
    for name, by_instructions in measured.items():
        race, runs = RACES[name], by_instructions[AS_INSTALLED]
        parts.append(f"### 784-{race.hidden}-{race.hidden}-10")
        parts.extend([_table(race, runs), _verdict(race, runs), _startup(runs)])
        equal = by_instructions.get(EQUAL)
        if equal:
            parts.append("With AVX2 for all (our kernels, MKL and oneDNN):")
            parts.extend([_table(race, equal), _verdict(race, equal)])
        parts.append(_chosen(race, runs))
        picture = f"time_to_accuracy_{name}.png"
        _plot(race, runs, plots / picture)
        parts.append(f"![Accuracy on the test samples against seconds](plots/{picture})")
    return "\n\n".join(part for part in parts if part)


def _table(race: Race, runs: Runs) -> str:
    header = [
        "",
        f"s until stopped ({race.target:g} % of held-out)",
        "its test accuracy, %",
        *(f"s to {mark:g} % on test" for mark in race.marks),
        "peak memory of a training process, MB (before it trained)",
        "seeds",
    ]
    rows = []
    for contestant, done in runs.items():
        curves = [Course.of(one) for one in done]
        marks = ([curve.time_to(mark, "test") for curve in curves] for mark in race.marks)
        rows.append(
            [
                contestant,
                _spread([curve.time_to(race.target, "held_out") for curve in curves]),
                _accuracies([curve.accuracy_when_stopped(race.target) for curve in curves]),
                *map(_spread, marks),
                _memory(done),
                len(done),
            ]
        )
    return markdown_table(header, rows)


def _verdict(race: Race, runs: Runs) -> str:
    """Say how many times faster, and whether the goals are reached."""
    sentences = []
    for peer, goal in race.goals.items():
        if peer not in runs or _OURS not in runs:
            continue
        ours, theirs = (_median_time(race, runs[name]) for name in (_OURS, peer))
        if math.isinf(ours):
            sentences.append(f"{_OURS} was not stopped: no ratio to {peer}.")
            continue
        if math.isinf(theirs):
            sentences.append(f"{peer} was not stopped by the end of its schedule.")
            continue
        ratio = theirs / ours
        reached = "reached" if ratio >= goal else "not reached"
        sentences.append(
            f"On the cluster dask_horn is stopped {ratio:.2f} times as early as {peer} "
            f"(goal: {goal:g} times, {reached})."
        )
    return " ".join(sentences)


def _median_time(race: Race, done: list[dict[str, Any]]) -> float:
    """The median over all seeds; infinite where fewer than half were stopped."""
    times = [curve.time_to(race.target, "held_out") for curve in map(Course.of, done)]
    return float(np.median(np.nan_to_num(times, nan=math.inf)))


def _startup(runs: Runs) -> str:
    """Tell what happened before the clocks began."""
    sentences = []
    for contestant, done in runs.items():
        known = sorted({what for one in done for what in one["startup"]})
        medians = {
            what: np.median([one["startup"][what] for one in done if what in one["startup"]])
            for what in known
        }
        told = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in medians.items())
        sentences.append(f"{contestant}: {told}")
    text = f"Before the clock began: {'; '.join(sentences)}."
    notes = [one["notes"] for one in runs.get(_OURS, [])]
    if notes:
        before = np.median([note["seconds before the first round"] for note in notes])
        share = np.median([note["share in training tasks"] for note in notes])
        text += (
            f" Within the clock, dask_horn's first round began after {before:.2f} s; training "
            f"tasks took {100 * share:.0f} % of the two workers' time."
        )
    return text


def _chosen(race: Race, runs: Runs) -> str:
    """Tell the settings."""
    lines = [
        f"- {contestant}: "
        + ", ".join(f"{key} {value}" for key, value in race.settings[contestant].items())
        for contestant in runs
    ]
    return "Settings:\n\n" + "\n".join(lines)


def _plot(race: Race, runs: Runs, path: Path) -> None:
    """Draw test accuracy against training time, each seed a line."""
    from matplotlib.figure import Figure  # not in the processes that are measured

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for number, (contestant, done) in enumerate(runs.items()):
        for i, curve in enumerate(map(Course.of, done)):
            label = contestant if i == 0 else None
            axes.plot(curve.seconds, curve.test, f"C{number}", lw=1.2, alpha=0.7, label=label)
            stopped = curve.time_to(race.target, "held_out")
            if not math.isnan(stopped):
                axes.plot(stopped, curve.accuracy_when_stopped(race.target), f"C{number}o", ms=5)
    for mark in race.marks:
        axes.axhline(mark, color="0.7", lw=0.8, ls="--", zorder=0)
    axes.set(
        xscale="log",
        ylim=(95.5, 98.8),
        xlabel="seconds of training (a dot: stopped by the held-out samples)",
        ylabel="accuracy on the test samples, %",
        title=f"MNIST, 784-{race.hidden}-{race.hidden}-10, two cores",
    )
    ticks = [1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300]
    longest = max(one["seconds"][-1] for done in runs.values() for one in done)
    shown = [tick for tick in ticks if tick <= 1.5 * longest]
    axes.set_xticks(shown, [str(tick) for tick in shown])
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path, dpi=150)


def _memory(done: list[dict[str, Any]]) -> str:
    """Format median peaks of resident memory, after training and before."""
    peak, idle = (np.median([one[what] for one in done]) for what in ("peak_rss", "idle_rss"))
    return f"{peak:.0f} ({idle:.0f})"


def _accuracies(values: list[float]) -> str:
    """Format the median of those that there are."""
    known = [value for value in values if not math.isnan(value)]
    return _spread(known, 2) if known else "–"


def _spread(values: list[float], digits: int = 1) -> str:
    """Format median, least and most; NaN, what was never reached, is later than all."""
    ordered = sorted(math.inf if math.isnan(value) else value for value in values)
    known = [value for value in ordered if value < math.inf]
    middle = float(np.median(ordered))
    text = f"{middle:.{digits}f}" if middle < math.inf else "not reached"
    if len(known) > 1:
        text += f" ({known[0]:.{digits}f} – {known[-1]:.{digits}f})"
    if known and len(known) < len(values):
        text += f", by {len(known)} of {len(values)}"
    return text
