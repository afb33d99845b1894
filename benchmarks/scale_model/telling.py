"""The section on the model: what went in, how well it holds, what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.report import markdown_table
from benchmarks.scale_model.inputs import BATCH
from benchmarks.scale_model.predictions import HALF, LATENCY, ROWS, STEPS, WORKERS

Measured = Mapping[str, Any]


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
        "(a test compares them task by task), placed as the library places them. The costs of the "
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
        slice_bytes = 4 * costs["slice_size"]
        rows.append(
            (
                f"784-{width}-{width}-10, K = {n_submodels}",
                f"{costs['slice_size']:,.0f}",
                f"{1e3 * costs['step']:.2f}",
                f"{1e3 * costs['train']:.1f}",
                _milliseconds(costs["take"], slice_bytes),
                _milliseconds(costs["put"], int(n_submodels) * slice_bytes),
                f"{1e3 * costs['count']:.1f}",
                _milliseconds(costs["add"], 16 * costs["parent_size"]),
                f"{1e3 * costs['parent']:.1f}",
            )
        )
    header = (
        "network", "parameters of a sub-model", "step", "task beyond steps", "take (GB/s)",
        "put a group's (GB/s)", "count a group's holders", "add up four (GB/s)", "outer step",
    )  # fmt: skip
    return (
        f"Milliseconds, medians of {measured['turns']}, batch {BATCH}, AdamW; the library's own "
        "functions on one worker while another core idles.\n\n"
        f"{markdown_table(header, rows)}\n\n{_dask(measured)}"
    )


def _dask(measured: Measured) -> str:
    one, two = measured["dask_1"], measured["dask_2"]
    return (
        f"Dask, by rounds of {two['tasks']} tasks that do nothing: {1e3 * two['wall']:.2f} ms a "
        f"task with two workers on the same two cores ({1e3 * one['wall']:.2f} with one), of "
        f"which the process of scheduler and client computes {1e3 * two['busy']:.2f} ms; writing "
        f"and handing in the graph {1e3 * two['build']:.2f} ms a task; a link of a chain "
        f"{1e3 * two['chain']:.1f} ms. Real rounds on this machine are predicted with the first "
        "of these figures, clusters whose scheduler has a machine of its own with the second. "
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
        "Seconds a round of real training on a local cluster here, mean of all rounds of a run, "
        "and the model's for the same run, with costs measured on all of its workers at a time "
        f"before and after. The error: {said}. Two cores say nothing about thousands of workers: "
        "what the model adds up is checked here, how its sums behave in the large only by closed "
        f"forms (`tests/benchmarks/test_scale_model.py`).\n\n{markdown_table(header, rows)}"
    )


def _sleepers(sleeping: Measured, sleepers: Sequence[Measured]) -> str:
    rows = [
        (
            *one["case"][:2],
            "takes first" if one["case"][2] else "as built",
            f"{one['seconds']:.2f}",
            f"{one['predicted']:.2f}",
            f"{100 * (one['predicted'] / one['seconds'] - 1):+.0f} %",
        )
        for one in sleepers
    ]
    error = np.median([abs(one["predicted"] / one["seconds"] - 1) for one in sleepers])
    return (
        "What the order of tasks costs needs more workers than there are cores here, so let their "
        f"tasks sleep: {sleeping['workers']} workers, rounds of the library's graph whose takes "
        f"last {1e3 * sleeping['sleep']['take']:.0f} ms and whose trainings "
        f"{1e3 * sleeping['sleep']['train']:.0f}, all else nothing; as built, and with a priority "
        "on the takes, which keeps the parent's worker from training while others wait for their "
        f"slices. Seconds a round; the model errs by {100 * error:.0f} % in the median.\n\n"
        + markdown_table(("G", "K", "order", "measured", "predicted", "error"), rows)
    )


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
    names = list(limits[0]["half"])
    rows = [
        (
            _network(one),
            name,
            _workers(one["half"][name]),
            one["limits"][name][0][0] if one["half"][name] < WORKERS[-1] else "nothing yet",
        )
        for one in limits
        for name in names
    ]
    said = [_said(one) for one in limits]
    header = (
        "network", "built", f"workers at {HALF:.0%} of their time in steps", "what limits there",
    )  # fmt: skip
    return (
        "\n\n".join(said)
        + "\n\nFor each design, the number of workers up to which at least half of their time "
        f"goes into steps, in rounds of {STEPS} steps; and the one thing that, had it no cost, "
        "would shorten that round most. *Slices taken before any training*: a priority on the "
        "takes, for otherwise the parent's worker begins with its own training, which comes "
        "first in the graph, and later groups wait. *The parent relayed*: it goes down a tree of "
        "arity 4 to one worker of each group, where the group's slices are taken. *Holders "
        "counted once*: one partition for all groups has one count, times the samples.\n\n"
        + markdown_table(header, rows)
    )


def _said(one: Measured) -> str:
    """Say what limits one network, in a sentence or two."""
    built, half, training = one["limits"]["as built"], one["half"]["as built"], one["training"]
    at = "; ".join(
        f"with {int(n):,} workers it takes {_seconds(seconds)} s, most of it {steps[0][0]} "
        f"(without: {_seconds(steps[0][1])} s), then {steps[1][0]} ({_seconds(steps[1][1])} s)"
        for n, (seconds, steps) in one["at"].items()
    )
    best = max(
        (name for name in one["half"] if name != "as built"), key=lambda name: one["half"][name]
    )
    first = (
        f"**{_network(one)}:** what limits first is **{built[0][0]}**, from about "
        f"{_workers(half)} workers on"
        if half < WORKERS[-1]
        else f"**{_network(one)}:** nothing limits up to {WORKERS[-1]:,} workers"
    )
    return (
        f"{first}. Training alone is {_seconds(training)} s of a round; {at}. Furthest goes "
        f"*{best}*: {_workers(one['half'][best])} workers."
    )


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
                style |= {"alpha": (0.35, 0.65, 1.0)[divided]} if ours else {"ls": "--"}
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
