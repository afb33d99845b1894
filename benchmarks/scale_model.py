"""What rounds on up to 10,000 workers would take: a discrete-event model, fed with measured costs.

    python -m benchmarks.scale_model --data FOLDER [--full]

There are a scheduler that handles one task at a time, workers of one core, and each worker's link,
which sends and receives at the same time. A task whose inputs are done is handed out by the
scheduler, asks for the inputs that its worker does not have, and waits for the core. The model is
hopeful: it knows no stragglers, failures or limit of memory, and no network whose middle is full.
"""

from __future__ import annotations

import heapq
import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import click
import dask
import numpy as np
from dask.delayed import Delayed, delayed
from distributed import Client

import dask_horn as horn
from benchmarks.apart import run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.datasets import mnist_network
from benchmarks.growth import parameters
from benchmarks.report import markdown_table
from benchmarks.timing import in_turns
from benchmarks.workers import emptied, local_cluster, nothing

BATCH = 128
ARITY = 8  # deltas that one task adds up, as the library does
STEPS = 500  # of each worker in a round
LATENCY = 1e-4  # seconds
WORKERS = (10, 30, 100, 300, 1000, 3000, 10000)
GBITS = (1, 10)
#: Widths, and the sub-models of each; the first number is local SGD's.
NETWORKS = {800: (1, 4, 8), 4096: (1, 8, 16)}
#: Width, groups, sub-models and steps of the real rounds that predictions are compared with.
CHECKED = ((256, 16, 8, 10), (800, 2, 2, 50), (800, 4, 4, 50))
CHECKED_IN_FULL = ((256, 32, 8, 10), (800, 1, 8, 100), (800, 8, 8, 50), (2048, 2, 8, 50))
HALF = 0.5


@dataclass(frozen=True)
class Platform:
    """What the tasks run on: seconds, and bytes per second."""

    scheduler_seconds: float = 0.0  # that the scheduler is busy with one task
    overhead_seconds: float = 0.0  # from a task's arrival at its worker to its start, at least
    bandwidth: float = math.inf  # of a worker's link, each way
    latency: float = 0.0  # from one machine to another
    fetch_seconds: float = 0.0  # from a worker's request to the answer, beside the latency


class Task(NamedTuple):
    """One task: where it runs, and what it needs, by places in the list that are before its own.

    Tasks of a higher priority go first on their worker, then those that come earlier in the list.
    """

    stage: str
    worker: int
    seconds: float
    inputs: tuple[int, ...] = ()
    n_bytes: float = 0.0  # that another worker has to fetch
    priority: int = 0


class Simulation:
    """The state between events, which happen in the order of their times."""

    def __init__(self, tasks: Sequence[Task], platform: Platform) -> None:
        self.tasks, self.platform = tasks, platform
        self.ends = [0.0] * len(tasks)
        self.sent: dict[int, float] = defaultdict(float)  # bytes, by worker
        self._events: list[tuple[float, int, Any, int, int]] = []
        self._n_events = 0
        self._dependents: list[list[int]] = [[] for _ in tasks]
        self._undone = [len(task.inputs) for task in tasks]
        self._undelivered = [0] * len(tasks)
        self._ready: dict[int, list[tuple[int, int]]] = defaultdict(list)  # heaps, by worker
        self._running: set[int] = set()  # workers
        self._free: dict[tuple[str, int], float] = defaultdict(float)  # scheduler's and links'
        self._there: set[tuple[int, int]] = set()  # (task, worker) that has its output
        self._coming: dict[tuple[int, int], list[int]] = {}  # and those that wait for it
        for number, task in enumerate(tasks):
            for needed in task.inputs:
                self._dependents[needed].append(number)

    def run(self) -> Simulation:
        """Run all tasks; the same answer each time."""
        for number, task in enumerate(self.tasks):
            if not task.inputs:
                self._at(0.0, self._known, number)
        while self._events:
            now, _, handle, number, worker = heapq.heappop(self._events)
            handle(now, number, worker)
        return self

    def _at(self, when: float, handle: Any, number: int, worker: int = -1) -> None:
        self._n_events += 1  # events of one time happen in the order in which they were made
        heapq.heappush(self._events, (when, self._n_events, handle, number, worker))

    def _taken(self, what: str, worker: int, earliest: float, seconds: float) -> float:
        """Occupy the scheduler or a link as soon as it is free; return when that began."""
        began = max(earliest, self._free[what, worker])
        self._free[what, worker] = began + seconds
        return began

    def _known(self, now: float, number: int, _: int) -> None:
        """Hand out a task whose inputs are done."""
        seconds, latency = self.platform.scheduler_seconds, self.platform.latency
        began = self._taken("scheduler", 0, now, seconds)
        delay = seconds + latency + self.platform.overhead_seconds
        self._at(began + delay, self._assigned, number)

    def _assigned(self, now: float, number: int, _: int) -> None:
        """Ask for the inputs that the task's worker does not have."""
        worker = self.tasks[number].worker
        for needed in set(self.tasks[number].inputs):
            place = (needed, worker)
            if place in self._there:
                continue
            self._undelivered[number] += 1
            if place not in self._coming:
                asked = now + self.platform.latency + self.platform.fetch_seconds
                sender, n_bytes = self.tasks[needed].worker, self.tasks[needed].n_bytes
                self.sent[sender] += n_bytes
                began = self._taken("sender", sender, asked, n_bytes / self.platform.bandwidth)
                self._at(began + self.platform.latency, self._arrives, needed, worker)
            self._coming.setdefault(place, []).append(number)
        self._start_if_ready(now, number)

    def _arrives(self, now: float, number: int, worker: int) -> None:
        seconds = self.tasks[number].n_bytes / self.platform.bandwidth
        began = self._taken("receiver", worker, now, seconds)
        self._at(began + seconds, self._delivered, number, worker)

    def _delivered(self, now: float, number: int, worker: int) -> None:
        self._there.add((number, worker))
        for waiting in self._coming.pop((number, worker)):
            self._undelivered[waiting] -= 1
            self._start_if_ready(now, waiting)

    def _start_if_ready(self, now: float, number: int) -> None:
        if not self._undelivered[number]:
            task = self.tasks[number]
            heapq.heappush(self._ready[task.worker], (-task.priority, number))
            self._start_next(now, task.worker)

    def _start_next(self, now: float, worker: int) -> None:
        if worker not in self._running and self._ready[worker]:
            _, number = heapq.heappop(self._ready[worker])
            self._running.add(worker)
            self._at(now + self.tasks[number].seconds, self._done, number, worker)

    def _done(self, now: float, number: int, worker: int) -> None:
        self.ends[number] = now
        self._there.add((number, worker))
        self._running.discard(worker)
        self._start_next(now, worker)
        for dependent in self._dependents[number]:
            self._undone[dependent] -= 1
            if not self._undone[dependent]:
                self._at(now + self.platform.latency, self._known, dependent)


@dataclass(frozen=True)
class Costs:
    """What the tasks of one network, divided by K, cost on one core: seconds, and bytes."""

    step: float
    train: float  # a training task beyond its steps
    add: float  # adding one delta to a sum
    part: float  # the outer step of one part
    n_bytes: float  # of a slice, a delta, or a sum of deltas


def placed(group: int, submodel: int, n_groups: int, n_workers: int) -> int:
    """Return the worker that a training task prefers, as the library has it."""
    if n_workers <= n_groups:
        return (submodel * n_groups + group) % n_workers
    n_own = len(range(group, n_workers, n_groups))
    return group + n_groups * (submodel % n_own)


def rounds(
    costs: Costs, n_groups: int, n_submodels: int, n_workers: int, steps: float, n_rounds: int = 2
) -> list[Task]:
    """Write steady rounds out: send → train → merge-i → share → update.

    Training is where the placement says, sums beside the first of the groups that they add up,
    and all else of a sub-model where its part stays. With one group nothing is sent.
    """
    tasks: list[Task] = []

    def add(stage: str, group: int, m: int, seconds: float, *inputs: int) -> int:
        worker, first = placed(group, m, n_groups, n_workers), stage in ("send", "share", "update")
        n_bytes = 0.0 if stage == "share" else costs.n_bytes
        tasks.append(Task(stage, worker, seconds, inputs, n_bytes, int(first)))
        return len(tasks) - 1

    def merged(found: list[int], order: Sequence[int], m: int) -> list[int]:
        level, stride = 0, 1
        while len(found) > ARITY:
            level, stride = level + 1, stride * ARITY
            some = [found[i : i + ARITY] for i in range(0, len(found), ARITY)]
            found = [
                add(f"merge-{level}", order[i * stride], m, costs.add * len(own), *own)
                for i, own in enumerate(some)
            ]
        return found

    # Each sub-model has its groups in an order of its own, so that homes are spread.
    orders = [[(m + i) % n_groups for i in range(n_groups)] for m in range(n_submodels)]
    parts = [add("start", own[0], m, 0.0) for m, own in enumerate(orders)]
    for _ in range(n_rounds):
        sums = []
        for m, order in enumerate(orders):
            start = add("send", order[0], m, 0.0, parts[m]) if n_groups > 1 else parts[m]
            seconds = costs.train + steps * costs.step
            trained = [add("train", group, m, seconds, start) for group in order]
            sums.append(merged(trained, order, m))
        homes = [(order[0], m) for m, order in enumerate(orders)]
        shares = [add("share", g, m, 0.0, *sums[m]) for g, m in homes]
        stepped = [costs.part + costs.add * (len(own) - 1) for own in sums]
        parts = [add("update", g, m, stepped[m], parts[m], *sums[m], *shares) for g, m in homes]
    return tasks


def round_seconds(tasks: Sequence[Task], platform: Platform) -> float:
    """Return the mean seconds from one round's end to the next, after the first of the rounds."""
    ends = Simulation(tasks, platform).run().ends
    parts = [end for task, end in zip(tasks, ends, strict=True) if task.stage == "update"]
    n_submodels = sum(task.stage == "start" for task in tasks)
    first, last = parts[:n_submodels], parts[-n_submodels:]
    return (max(last) - max(first)) / (len(parts) // n_submodels - 1)


def ring_seconds(n_bytes: float, n_workers: int, platform: Platform) -> float:
    """Return the seconds of a ring all-reduce: 2 (W - 1) messages of a Wth, one after the other."""
    message = n_bytes / n_workers / platform.bandwidth + platform.latency
    return 2 * (n_workers - 1) * message


@dataclass(frozen=True)
class Situation:
    """A network that is divided, and what it is trained on; one sub-model on each worker."""

    costs: Costs
    n_submodels: int
    platform: Platform
    steps: float = STEPS

    def seconds(self, n_workers: int) -> float:
        """Seconds of a round."""
        n_groups = max(1, n_workers // self.n_submodels)
        tasks = rounds(self.costs, n_groups, self.n_submodels, n_workers, self.steps)
        return round_seconds(tasks, self.platform)

    def without(self, limit: str) -> Situation:
        """Return the same, had one thing no cost."""
        where, *names = LIMITS[limit]
        free = replace(getattr(self, where), **dict.fromkeys(names, 0.0))
        return replace(self, **{where: free})

    def workers_at_half(self, most: int = WORKERS[-1]) -> int:
        """Return up to how many workers half of their time is in steps, by bisection."""

        def is_half(n_groups: int) -> bool:
            taken = self.seconds(n_groups * self.n_submodels)
            return self.steps * self.costs.step > HALF * taken

        low, high = 1, most // self.n_submodels  # groups
        if is_half(high):
            return most
        while high - low > max(1, low // 20):
            middle = min(max(math.isqrt(low * high), low + 1), high - 1)
            low, high = (middle, high) if is_half(middle) else (low, middle)
        return low * self.n_submodels

    def limit(self, n_workers: int) -> tuple[str, float]:
        """Return what a round is shortest without, and how long it is then."""
        seconds = {name: self.without(name).seconds(n_workers) for name in LIMITS}
        best = min(seconds, key=lambda name: seconds[name])
        return best, seconds[best]


#: What may limit a round: where its cost stands, and by which names.
LIMITS = {
    "the scheduler": ("platform", "scheduler_seconds"),
    "latency": ("platform", "latency", "overhead_seconds", "fetch_seconds"),
    "sending slices and deltas": ("costs", "n_bytes"),
    "adding up and stepping": ("costs", "add", "part"),
    "the training tasks' set-up": ("costs", "train"),
}


def measure(folder: Path, full: bool) -> Measured:
    """Measure costs and real rounds in a process of its own, and let the model predict."""
    measured: Measured = run_apart("benchmarks.scale_model:work", {"full": full})
    widths = {
        width: [k for k in ks if f"{width}/{k}" in measured["costs"]]
        for width, ks in NETWORKS.items()
    }
    curves, limits = [], []
    for (width, ks), gbits in product(widths.items(), GBITS if full else GBITS[-1:]):
        # Scheduler and workers have a machine each.
        net = {"bandwidth": gbits * 1e9 / 8, "latency": LATENCY}
        platform = _platform(measured["dask"], "busy", **net)
        costs = [Costs(**measured["costs"][f"{width}/{k}"]) for k in ks]
        local, *divided = (Situation(*one, platform) for one in zip(costs, ks, strict=True))
        step = local.costs.step
        rings = {n: ring_seconds(local.costs.n_bytes, n, platform) for n in WORKERS}
        seconds = {
            "data-parallel, ring at each step": [STEPS * max(step, rings[n]) for n in WORKERS],
            "local SGD, ring at the round's end": [STEPS * step + rings[n] for n in WORKERS],
        }
        for one in divided:
            seconds[f"divided, K = {one.n_submodels}"] = [one.seconds(n) for n in WORKERS]
        for method, values in seconds.items():
            curves.append({"width": width, "gbits": gbits, "method": method, "seconds": values})
        quick = replace(platform, scheduler_seconds=platform.scheduler_seconds / 10)
        for built, one in (
            ("as it is", divided[0]),
            ("Dask at a tenth of its cost", replace(divided[0], platform=quick)),
            ("rounds ten times as long", replace(divided[0], steps=10 * STEPS)),
        ):
            half = one.workers_at_half()
            limits.append(
                {"width": width, "gbits": gbits, "k": one.n_submodels, "built": built,
                 "half": half, "seconds": one.seconds(half), "limit": one.limit(half)}
            )  # fmt: skip
            click.echo(str(limits[-1]))
    return {**measured, "curves": curves, "limits": limits}


def _platform(tasks: Mapping[str, float], scheduler: str, **network: float) -> Platform:
    overhead = max(0.0, tasks["chain"] - tasks["wall"])
    return Platform(tasks[scheduler], overhead, fetch_seconds=tasks["fetch"], **network)


def work(settings: Mapping[str, bool]) -> Measured:
    """Measure everything; called in a fresh process."""
    full = settings["full"]
    costs = {
        f"{width}/{k}": vars(costs_of(width, k))
        for width, ks in NETWORKS.items()
        for k in (ks if full else ks[:2])
    }
    with local_cluster(2) as client:
        _history(64, 2, 2, 4)  # compiles and loads the kernels
        tasks, checks = dask_costs(client), []
        for width, n_groups, k, steps in CHECKED + (CHECKED_IN_FULL if full else ()):
            real = [record.seconds for record in _history(width, n_groups, k, steps)[1:]]
            own = costs_of(width, k)  # at about the same time: machines drift
            predicted = round_seconds(
                rounds(own, n_groups, k, 2, steps),
                _platform(tasks, "wall"),
            )
            checks.append([width, n_groups, k, steps, float(np.mean(real)), predicted])
    return {"costs": costs, "dask": tasks, "checks": checks}


def _history(width: int, n_groups: int, n_submodels: int, steps: int) -> horn.History:
    """Train for four rounds that are all alike but for the first and the last."""
    n = 32 * BATCH * n_groups
    X = np.random.default_rng(0).integers(0, 256, (n, 784), dtype=np.uint8)
    return horn.train(
        mnist_network(width), X, np.arange(n) % 10, n_groups=n_groups, n_submodels=[n_submodels],
        n_rounds=4, steps_per_round=steps, batch_size=BATCH, concentration=None,
        checkpoint_every=1000,
    ).history  # fmt: skip


def costs_of(width: int, n_submodels: int) -> Costs:
    """Measure the tasks of 784-width-width-10 in this process, vectors as NumPy adds them."""
    few, many = 2, 12
    with dask.config.set(scheduler="synchronous"):
        runs = (_history(width, 1, n_submodels, steps) for steps in (few, many))
        seconds = [float(np.median(history.column("kernel_seconds"))) for history in runs]
    step = (seconds[1] - seconds[0]) / (many - few) / n_submodels
    size = round(parameters(width / n_submodels))
    total, delta = (np.ones(size, np.float32) for _ in range(2))
    added = in_turns({"add": lambda: np.add(total, delta, out=total)}, 5, 0.02)["add"]
    add = float(np.median(added))
    train = max(0.0, seconds[0] / n_submodels - few * step)
    return Costs(step, train, add, part=4 * add, n_bytes=4.0 * size)


def dask_costs(client: Client) -> dict[str, float]:
    """Measure what a task costs beyond its own work, a link of a chain, and a fetched input.

    ``wall`` is what each task of the library's graph takes when it does nothing, ``busy`` what this
    process, where scheduler and client are, computes for it.
    """
    walls, busy = [], []
    for _ in range(5):
        graph = _emptied(32, 8)
        began, used = time.perf_counter(), time.process_time()
        client.compute(graph, optimize_graph=False).result()
        walls.append((time.perf_counter() - began) / len(graph.dask))
        busy.append((time.process_time() - used) / len(graph.dask))
    one, other = sorted(client.scheduler_info(n_workers=-1)["workers"])
    chain, apart = (_seconds_of_chain(client, places) for places in ([one], [one, other]))
    return {"wall": float(np.median(walls)), "busy": float(np.median(busy)), "chain": chain,
            "fetch": max(0.0, apart - chain)}  # fmt: skip


def _emptied(n_groups: int, n_submodels: int) -> Delayed:
    """Return the library's graph of two rounds, of tasks that do nothing."""
    X, y = np.zeros((n_groups * BATCH, 2), np.float32), np.arange(n_groups * BATCH) % 2
    network = horn.Network([horn.Dense(8), horn.Dense(2)], input_shape=2)
    graph = horn.training_graph(
        network, X, y, n_groups=n_groups, n_submodels=[n_submodels], n_rounds=2, steps_per_round=1,
        standardize=False,
    )  # fmt: skip
    return emptied(graph)


def _seconds_of_chain(client: Client, places: Sequence[str], n: int = 100) -> float:
    """Return the seconds of a task that waits for the one before, on these workers in turn."""
    link: Any = None
    for i in range(n):
        with dask.annotate(workers=[places[i % len(places)]]):
            link = delayed(nothing, pure=False)(link)
    began = time.perf_counter()
    client.compute(link, optimize_graph=False).result()
    return (time.perf_counter() - began) / n


def render(measured: Measured, plots: Path) -> str:
    """Write the section."""
    checks, tasks = measured["checks"], measured["dask"]
    errors = [predicted / real - 1 for *_, real, predicted in checks]
    rows = [
        (*case, f"{real:.2f}", f"{predicted:.2f}", f"{100 * error:+.0f} %")
        for (*case, real, predicted), error in zip(checks, errors, strict=True)
    ]
    shown = [WORKERS.index(n) for n in (10, 100, 1000, 10000)]
    curves = [
        (one["width"], one["gbits"], one["method"], *(_told(one["seconds"][i]) for i in shown))
        for one in measured["curves"]
    ]
    limits = [
        (one["width"], one["k"], one["gbits"], one["built"], f"{one['half']:,}",
         f"{one['limit'][0]} ({_told(one['seconds'])} s, without {_told(one['limit'][1])} s)")
        for one in measured["limits"]
    ]  # fmt: skip
    return "\n\n".join(
        (
            _INTRODUCTION,
            f"Dask: {1e3 * tasks['wall']:.2f} ms for each task that does nothing, of which the "
            f"process of scheduler and client computes {1e3 * tasks['busy']:.2f} ms; a link of a "
            f"chain {1e3 * tasks['chain']:.1f} ms, {1e3 * tasks['fetch']:.1f} ms more where it "
            "fetches the link before. Against real rounds on two workers here, in which the first "
            "figure stands for the scheduler, the model errs by "
            f"{100 * np.median(np.abs(errors)):.0f} % in the median:",
            markdown_table(("width", "G", "K", "steps", "real, s", "predicted, s", "error"), rows),
            f"Predicted seconds of a round of {STEPS} steps of each worker, by workers:",
            markdown_table(("width", "Gbit/s", "", *(f"{WORKERS[i]:,}" for i in shown)), curves),
            "The number of workers up to which half of their time goes into steps, and the one "
            "thing that, had it no cost, would shorten that round most:",
            markdown_table(("width", "K", "Gbit/s", "", "workers", "what limits there"), limits),
        )
    )


def _told(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 100 else f"{seconds:.3g}"


_INTRODUCTION = (
    f"784-width-width-10, equal parts, batch {BATCH}, one sub-model on each worker; links of 1 or "
    f"10 Gbit/s and {1e6 * LATENCY:.0f} µs. Costs of tasks and of Dask are measured here. The "
    "model is hopeful, for all methods; in favour of data-parallel training each message hides "
    "wholly behind computing. Time of a round says nothing about accuracy."
)

BENCHMARK = Benchmark("scale_model", "Up to 10,000 workers, by a model", measure, render)

if __name__ == "__main__":
    BENCHMARK.command()()
