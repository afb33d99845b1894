"""The section on the model: what went in, how well it holds, what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.report import markdown_table
from benchmarks.scale_model.inputs import BATCH
from benchmarks.scale_model.predictions import HALF, LATENCY, ROWS, STEPS, WIDER, WORKERS
from dask_horn.training.tasks.merge import PART_ARITY

Measured = Mapping[str, Any]
_SHORTER = 0.95  # of a round: what does not shorten it so far does not limit it


def render(measured: Measured, plots: Path) -> str:
    """Write the section."""
    for scaling in ("strong", "weak"):
        figure(measured["curves"], scaling).savefig(plots / f"scale_model_{scaling}.png", dpi=110)
    return "\n\n".join(
        (
            _introduction(measured),
            "### What was measured\n\n" + _inputs(measured),
            "### Against real rounds\n\n" + _checks(measured["checks"]),
            _sleepers(measured["sleeping"], measured["sleepers"]),
            "### Predicted\n\n" + _curves(measured["curves"]),
            "![The same samples in all](plots/scale_model_strong.png)",
            "![The same samples for each worker](plots/scale_model_weak.png)",
            "### What limits us first, and what would lift it\n\n" + _limits(measured["limits"]),
        )
    )


def _introduction(measured: Measured) -> str:
    return (
        "Tasks, a scheduler that handles one at a time, workers of one core, and each worker's "
        "link, by `benchmarks/scale_model/simulation.py`; rounds are the library's own graph "
        "(a test compares them task by task), placed as the library places them: steady ones, "
        "between which the parent stays in parts, so neither the first round's cut nor the "
        "parent's putting together at the end is in them. The costs of the "
        f"tasks are measured, on one core ({'/'.join(measured['blas'])} kernels, "
        "OPENBLAS_CORETYPE unset); the network is stated: links of 1 or 10 Gbit/s and "
        f"{1e6 * LATENCY:.0f} µs. What is predicted is the second of two rounds, with equal parts "
        "and one sub-model on each worker. The model is hopeful, for all methods: it knows no "
        "stragglers, no failures, no limit of memory, a network whose middle is never full, and a "
        "scheduler that is as quick with 10,000 workers as with two. For data-parallel training "
        f"it is more so: each worker has a batch of {BATCH}, so that the global batch grows with "
        "the workers, whatever that does to accuracy, and messages hide wholly behind computing. "
        "Time of a round says nothing about accuracy: a divided round passes over the rows once, "
        "as the others do, but does 1/K and less of their arithmetic for it."
    )


def _inputs(measured: Measured) -> str:
    rows = []
    for name, costs in measured["costs"].items():
        width, n_submodels = name.split("/")
        n_bytes = costs["delta_bytes"]
        rows.append(
            (
                f"784-{width}-{width}-10, K = {n_submodels}",
                f"{costs['size']:,.0f}",
                f"{1e3 * costs['step']:.2f}",
                f"{1e3 * costs['train']:.1f}",
                f"{1e3 * costs['slice']:.2f}",
                _milliseconds(costs["add"], PART_ARITY * n_bytes),
                f"{1e3 * costs['share']:.2f}",
                _milliseconds(costs["part"], n_bytes),
                f"{costs['share_bytes'] / 1e3:.1f} + {costs['report_bytes'] / 1e3:.2f} G",
            )
        )
    header = (
        "network", "parameters of a sub-model", "step", "task beyond steps", "slice",
        f"add up {PART_ARITY} deltas (GB/s)", "share", "outer step of a part (GB/s)",
        "kB that a share sends",
    )  # fmt: skip
    return (
        f"Milliseconds, medians of {measured['turns']}, batch {BATCH}, AdamW; the library's own "
        "functions on one worker while another core idles. GB/s are of the deltas that are read. A "
        "slice is a part without its outer momentum, which is not copied.\n\n"
        f"{markdown_table(header, rows)}\n\n{_dask(measured)}"
    )


def _dask(measured: Measured) -> str:
    one, two = measured["dask_1"], measured["dask_2"]
    return (
        f"Dask, by the library's graph of {two['tasks']} tasks with nothing to do: "
        f"{1e3 * two['wall']:.2f} ms a task with two workers on the same two cores "
        f"({1e3 * one['wall']:.2f} with one), of which the process of scheduler and client "
        f"computes {1e3 * two['busy']:.2f} ms; writing and handing in the graph "
        f"{1e3 * two['build']:.2f} ms a task; a link of a chain {1e3 * two['chain']:.1f} ms, and "
        f"{1e3 * two['fetch']:.1f} ms more where it fetches the link before from another worker. "
        "Real rounds on this machine are predicted with the first of these figures, "
        "clusters whose scheduler has a machine of its own with the second. "
        f"Between two workers here: {np.median(measured['bandwidth']) / 1e9:.2f} GB/s."
    )


def _checks(checks: Sequence[Measured]) -> str:
    rows, errors = [], {1: [], 2: []}
    for check in checks:
        n_workers, width, n_groups, n_submodels, steps = check["case"]
        took = float(np.mean(check["measured"]))
        error = check["predicted"] / took - 1
        errors[n_workers].append(error)
        rows.append(
            (n_workers, f"784-{width}-{width}-10", n_groups, n_submodels, steps, check["tasks"],
             f"{took:.2f}", f"{check['predicted']:.2f}", f"{100 * error:+.0f} %",
             f"{check['kernels']:.2f}")
        )  # fmt: skip
    header = (
        "workers", "network", "G", "K", "steps", "tasks", "measured, s", "predicted, s", "error",
        "steps alone, s",
    )  # fmt: skip
    said = "; ".join(
        f"with {n} worker{'s' * (n > 1)} {100 * np.median(np.abs(some)):.0f} % in the median, "
        f"{100 * max(map(abs, some)):.0f} % at most"
        for n, some in errors.items()
    )
    return (
        "Seconds a round of real training on a local cluster here, mean of a run's rounds but the "
        "first, in which the parent is cut, and the model's for the same run, with costs measured "
        f"on all of its workers at a time before and after. The error: {said}. Two "
        "cores say nothing about thousands of workers: what the model adds up is checked here, how "
        "its sums behave in the large only by closed "
        f"forms (`tests/benchmarks/test_scale_model.py`).\n\n{markdown_table(header, rows)}"
    )


def _sleepers(sleeping: Measured, sleepers: Sequence[Measured]) -> str:
    rows = [
        (
            *one["case"],
            f"{one['seconds']:.2f}",
            f"{one['predicted']:.2f}",
            f"{100 * (one['predicted'] / one['seconds'] - 1):+.0f} %",
        )
        for one in sleepers
    ]
    error = np.median([abs(one["predicted"] / one["seconds"] - 1) for one in sleepers])
    sleep = sleeping["sleep"]
    return (
        "What the order and the place of tasks cost needs more workers than there are cores here, "
        f"so let their tasks sleep: {sleeping['workers']} workers, rounds of the library's graph "
        f"whose slices last {1e3 * sleep['slice']:.0f} ms, trainings {1e3 * sleep['train']:.0f} "
        f"and parts {1e3 * sleep['part']:.0f}, all else nothing. Seconds a round; the "
        f"model errs by {100 * error:.0f} % in the median. {_waiting(sleep['train'], sleepers)}\n\n"
        + markdown_table(("G", "K", "measured", "predicted", "error"), rows)
    )


def _waiting(training: float, sleepers: Sequence[Measured]) -> str:
    """Say whether slices waited for training where their part is."""
    beyond = max(one["seconds"] - one["predicted"] for one in sleepers)
    said = (
        "What others wait for, slices, shares and parts, goes before training on its worker. Had "
        f"one of them waited for a training there, a round would last {training:.2f} s longer than "
        f"predicted; the most that one did was {beyond:+.2f} s"
    )
    if beyond < training / 2:
        return f"{said}: none waited."
    return f"{said}: **something waited that the model does not know of; it is too hopeful.**"


def _curves(curves: Sequence[Measured]) -> str:
    parts = []
    for scaling, what in (
        ("strong", f"a round of {ROWS / 1e6:.0f} million samples, over all workers"),
        ("weak", f"a round of {STEPS} steps of {BATCH} samples on each worker"),
    ):
        own = [curve for curve in curves if curve["scaling"] == scaling]
        workers = own[0]["workers"]
        shown = [workers.index(n) for n in (10, 100, 1000, 10000)]
        rows = [
            (
                f"784-{curve['width']}-{curve['width']}-10",
                curve["gbits"],
                curve["method"],
                *(_seconds(curve["seconds"][i]) for i in shown),
            )
            for curve in own
        ]
        header = ("network", "Gbit/s", "method", *(f"{workers[i]:,}" for i in shown))
        parts.append(f"Seconds of {what}:\n\n{markdown_table(header, rows)}")
    return "\n\n".join(parts)


def _limits(limits: Sequence[Measured]) -> str:
    rows = [
        (_network(one), name, _workers(half), _first(one, name))
        for one in limits
        for name, half in one["half"].items()
    ]
    header = (
        "network", "built", f"workers at {HALF:.0%} of their time in steps", "what limits there",
    )  # fmt: skip
    return (
        "\n\n".join(_said(one) for one in limits)
        + "\n\nFor each design, the number of workers up to which at least half of their time "
        f"goes into steps, in rounds of {STEPS} steps; and the one thing that, had it no cost, "
        "would shorten that round most, or the two where most of what both take is gained only "
        "without both, as when they work at the same time. As built, the worker that has a part "
        "sends its slice to the sub-models of all other groups, and their deltas come back by a "
        f"tree of sums of {PART_ARITY}. *Slices relayed*: each goes down such a tree too. Dask "
        "does some of that by itself, as a worker may fetch from any that has a slice by then: as "
        f"built, the model is pessimistic there. *Sums of {WIDER}* are fewer tasks for the "
        "scheduler, on busier links. Whatever is built, a round is as long as its slowest "
        "training, and no scheduler nor network lifts that: trainings that take 10 % longer on "
        "one worker than on the others cost a round "
        f"{_stragglers(limits)}.\n\n" + markdown_table(header, rows)
    )


def _stragglers(limits: Sequence[Measured]) -> str:
    """Say how long a tenth of a round's training is."""
    found = [one["training"] / 10 for one in limits]
    low, high = min(found), max(found)
    return f"{_seconds(low)} s" if low == high else f"{_seconds(low)} to {_seconds(high)} s"


def _first(one: Measured, name: str) -> str:
    """Say what limits a design where half of the time is lost."""
    if name not in one["limits"]:
        return "nothing yet"
    seconds, ((limit, without), (other, neither)) = one["limits"][name]
    if neither >= _SHORTER * seconds:
        return "no one thing"
    alone = f"{_seconds(seconds)} s, without {_seconds(without)} s"
    if seconds - without < (seconds - neither) / 2:
        return f"{limit} and {other} ({alone}, without both {_seconds(neither)} s)"
    return f"{limit} ({alone})"


def _said(one: Measured) -> str:
    """Say what limits one network, in a sentence or two."""
    half = one["half"]["as built"]
    at = "; ".join(_steps(int(n), *found) for n, found in one["at"].items())
    first = (
        f"**{_network(one)}:** what limits first, from about {_workers(half)} workers on, "
        f"is **{_first(one, 'as built')}**"
        if half < WORKERS[-1]
        else f"**{_network(one)}:** nothing takes half of the time up to {WORKERS[-1]:,} workers"
    )
    said = f"{first}. Steps alone are {_seconds(one['training'])} s of a round; {at}."
    best = max(one["half"], key=lambda name: one["half"][name])
    if one["half"][best] == half:
        return f"{said} None of the other designs goes further."
    return f"{said} Furthest goes *{best}*: {_workers(one['half'][best])} workers."


def _steps(n: int, seconds: float, removed: Sequence[Sequence[Any]]) -> str:
    """Say what a round takes with so many workers, and without its greatest limits."""
    said = f"with {n:,} workers it takes {_seconds(seconds)} s"
    for number, (limit, without) in enumerate(removed):
        if without >= _SHORTER * seconds:
            return f"{said}, which no one thing would shorten by a twentieth"
        too = " too" if number else ""
        said += f", {_seconds(without)} s if {limit} cost nothing{too}"
        seconds = without
    return said


def _network(one: Measured) -> str:
    width = one["width"]
    return f"784-{width}-{width}-10, K = {one['n_submodels']}, {one['gbits']} Gbit/s"


def figure(curves: Sequence[Measured], scaling: str) -> Figure:
    """Draw seconds of a round against workers, a panel for each network and link."""
    own = [curve for curve in curves if curve["scaling"] == scaling]
    widths = sorted({curve["width"] for curve in own})
    gbits = sorted({curve["gbits"] for curve in own})
    drawn = Figure(figsize=(1.5 + 5.5 * len(gbits), 9), layout="constrained")
    grid = drawn.subplots(len(widths), len(gbits), squeeze=False, sharex=True, sharey="row")
    for row, width in enumerate(widths):
        for column, link in enumerate(gbits):
            axes = grid[row, column]
            panel = [c for c in own if c["width"] == width and c["gbits"] == link]
            divided = 0
            for curve in panel:
                ours = curve["method"].startswith("divided")
                style = {"color": f"C{0 if ours else 1 + _OTHERS.index(curve['method'][:9])}"}
                style |= {"alpha": (1.0, 0.5)[divided]} if ours else {"ls": "--"}
                style["ls"] = "-" if ours else ":" if "same graph" in curve["method"] else "--"
                divided += ours
                axes.loglog(curve["workers"], curve["seconds"], "o", ms=4, label=curve["method"],
                            **style)  # fmt: skip
            axes.set_title(f"784-{width}-{width}-10, links of {link} Gbit/s")
            axes.grid(alpha=0.3)
            axes.margins(y=0.3)  # room for the legend
            axes.legend(fontsize=7, ncols=2)
        grid[row, 0].set_ylabel("seconds of a round")
    for axes in grid[-1]:
        axes.set_xlabel("workers")
    total = f"{ROWS / 1e6:.0f} million samples in all"
    each = f"{STEPS} steps of {BATCH} samples on each worker"
    drawn.suptitle(f"Predicted: {total if scaling == 'strong' else each}")
    return drawn


_OTHERS = ("local SGD", "data-para")


def _milliseconds(seconds: float, n_bytes: float) -> str:
    return f"{1e3 * seconds:.2f} ({n_bytes / max(seconds, 1e-9) / 1e9:.1f})"


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 100 else f"{seconds:.3g}"


def _workers(n: int) -> str:
    return f"{n:,}" if n < WORKERS[-1] else f"more than {WORKERS[-1]:,}"
