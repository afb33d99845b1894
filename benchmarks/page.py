"""What the page `/horn` on the dashboard costs: trainings with and without it take turns.

python -m benchmarks.page --data FOLDER [--full]
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import psutil
from distributed import Client, LocalCluster

import dask_horn as horn
from benchmarks.apart import run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.report import markdown_table
from benchmarks.timing import median_and_spread

N_WORKERS = 2
_GOAL = 1.0  # percent
_RESAMPLES = 10_000
_WAYS = {
    "without": "no page",
    "with": "the page, nobody looks",
    "watched": "the page, and Chromium looks",
}
_HEADER = (
    "", "seconds (quartiles)", "cost, % (95 % interval)",
    "CPU seconds (quartiles)", "cost, % (95 % interval)",
)  # fmt: skip
_SETTING = "dask_horn.dashboard-page"
_NAME = "dask-horn-page"  # of the scheduler's plugin


def measure(folder: Path, full: bool) -> Measured:
    """Measure in a fresh process: turns of the three ways, in an order drawn for each."""
    return dict(run_apart("benchmarks.page:work", {"turns": 6 if full else 4}))


def work(settings: dict[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Train the same in three ways, on one cluster, where the page comes and goes.

    Clusters differ from each other by more than a page could cost.
    """
    seconds: dict[str, list[float]] = {way: [] for way in _WAYS}
    cpu: dict[str, list[float]] = {way: [] for way in _WAYS}
    draw = np.random.default_rng(0)
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(_cluster())
        watch = stack.enter_context(_watching(client.dashboard_link))
        for way in _WAYS:  # kernels are loaded, the page comes
            _train(client, way, 2)
        for _ in range(settings["turns"]):
            for way in draw.permutation(list(_WAYS)):
                if way == "without":
                    watch(False)
                    _remove_page(client)
                else:
                    _train(client, way, 1)  # it comes
                    watch(way == "watched")
                before = _cpu()
                seconds[way].append(_train(client, way, 11))
                cpu[way].append(_cpu() - before)
    return {"seconds": seconds, "cpu": cpu}


def _cpu() -> float:
    """Return the CPU seconds of the client, the schedulers and the workers, not of a browser."""
    used = 0.0
    this = psutil.Process()
    for process in [this, *this.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            if not process.name().startswith("chrom"):
                times = process.cpu_times()
                used += times.user + times.system
    return used


@contextlib.contextmanager
def _cluster() -> Iterator[Client]:
    with (
        LocalCluster(n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(N_WORKERS)
        yield client


def _remove_page(client: Client) -> None:
    def remove(dask_scheduler: Any) -> bool:
        was_there = _NAME in dask_scheduler.plugins
        if was_there:
            dask_scheduler.plugins[_NAME].remove()
        return was_there

    if client.run_on_scheduler(remove):
        client.unregister_scheduler_plugin(_NAME)


def _train(client: Client, way: str, n_rounds: int) -> float:
    """Train; return the seconds of all rounds but the first."""
    draw = np.random.default_rng(1)
    X = draw.normal(size=(8192, 256)).astype(np.float32)
    y = (X[:, :16].sum(axis=1) > 0).astype(int)
    layers = [horn.Dense(800, activation="relu"), horn.Dense(800, activation="relu")]
    network = horn.Network([*layers, horn.Dense(2)], input_shape=256)
    with dask.config.set({_SETTING: way != "without"}), client.as_current():
        history = horn.train(
            network, X, y, n_groups=2, n_submodels=2, n_rounds=n_rounds, steps_per_round=150
        ).history
    return sum(record.seconds for record in history[1:])


@contextlib.contextmanager
def _watching(link: str) -> Iterator[Any]:
    """Start a Chromium that looks at the page when told so; at nothing where there is none."""
    from tests.diagnostics.page.browser import DRIVER, chromium

    if DRIVER is None:
        yield lambda looks: None
        return
    page = link.replace("/status", "/horn")
    with tempfile.TemporaryDirectory() as profile, chromium(profile) as browser:

        def look(looks: bool) -> None:
            browser.open(page if looks else "about:blank")
            time.sleep(2)  # it has drawn what there is

        yield look


def render(measured: Measured, plots: Path) -> str:
    """Write the table, and say whether it costs as little as it should."""
    seconds, cpu = measured["seconds"], measured["cpu"]
    rows = [
        (words, *(f(of, way) for of in (seconds, cpu) for f in (_spread, _cost_in_words)))
        for way, words in _WAYS.items()
    ]
    verdicts = [
        f"- Cost of the page, {what}: {middle:+.2f} %, goal < {_GOAL:g} %: "
        + ("reached." if high < _GOAL else "not shown." if low < _GOAL else "MISSED.")
        for what, (low, middle, high) in (
            ("by the clock", _cost(seconds, "with")),
            ("in CPU time", _cost(cpu, "with")),
        )
    ]
    return (
        f"{len(seconds['with'])} trainings each way, in an order drawn for every turn, on "
        f"one local cluster of {N_WORKERS} one-thread workers, where the page comes and goes: two "
        "groups of two sub-models, 256-800-800-2, 150 steps a round; seconds of ten rounds, all "
        "but the first, and CPU seconds of the whole training, of client, scheduler and workers. "
        "The cost is the median of the turns' ratios to the training without a page of the same "
        "turn, with a 95 % interval of it by resampling turns. A browser on the workers' own "
        "cores is the worst case: what it costs is mostly Chromium's drawing.\n\n"
        + markdown_table(_HEADER, rows)
        + "\n\n"
        + "\n".join(verdicts)
    )


def _spread(seconds: dict[str, list[float]], way: str) -> str:
    return median_and_spread(seconds[way])


def _cost_in_words(seconds: dict[str, list[float]], way: str) -> str:
    if way == "without":
        return ""
    low, middle, high = _cost(seconds, way)
    return f"{middle:+.2f} ({low:+.2f} to {high:+.2f})"


def _cost(seconds: dict[str, list[float]], way: str) -> tuple[float, float, float]:
    """Return percent by which it takes longer: an interval's lower end, median, upper end."""
    ratios = np.array(seconds[way]) / np.array(seconds["without"])
    draw = np.random.default_rng(0).integers(0, ratios.size, (_RESAMPLES, ratios.size))
    low, high = np.percentile(np.median(ratios[draw], axis=1), [2.5, 97.5])
    middle = np.median(ratios)
    return 100 * (float(low) - 1), 100 * (float(middle) - 1), 100 * (float(high) - 1)


BENCHMARK = Benchmark("page", "What the page on the dashboard costs", measure, render)

if __name__ == "__main__":
    BENCHMARK.command()()
