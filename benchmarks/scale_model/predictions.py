"""What the model says: checks against real rounds, curves over workers, and what limits them."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.scale_model.inputs import BATCH
from benchmarks.scale_model.methods import (
    Costs,
    Design,
    data_parallel_seconds,
    divided_rounds,
    ring_seconds,
    round_seconds,
)
from benchmarks.scale_model.simulation import Platform

WORKERS = (10, 30, 100, 300, 1000, 3000, 10000)
GBITS = (1, 10)
LATENCY = 1e-4
#: Strong scaling: rows of a round, which is 50 steps of each of 10,000 undivided copies.
ROWS = 50 * 10000 * BATCH
#: Weak scaling: steps of each worker in a round.
STEPS = 500
#: Sub-models of the divided network whose limits are looked for.
LOOKED_AT = {800: 4, 4096: 8}
HALF = 0.5
#: Sums that one task would add up in another design.
WIDER = 16
AS_BUILT = Design()

_FREE_COSTS = {
    "sending slices to the groups": ("slice_bytes",),
    "sending deltas and their sums": ("delta_bytes",),
    "sending what is shared": ("share_bytes", "report_bytes"),
    "adding up deltas": ("add",),
    "the outer step": ("share", "part"),
    "the training tasks' own set-up": ("slice", "train"),
}
_FREE_PLATFORM = {
    "the scheduler": {"scheduler_seconds": 0.0},
    "latency": {"latency": 0.0, "overhead_seconds": 0.0, "fetch_seconds": 0.0},
}


@dataclasses.dataclass(frozen=True)
class Situation:
    """A network that is divided, and what it is trained on.

    Attributes
    ----------
    costs : Costs
    n_submodels : int
    platform : Platform
    build : float
        Seconds that the client needs for each task of a graph.
    steps : float
        Of each sub-model in a round.
    design : Design
    """

    costs: Costs
    n_submodels: int
    platform: Platform
    build: float
    steps: float
    design: Design = AS_BUILT

    def seconds(self, n_workers: int) -> float:
        """Seconds of a round in which each worker has one sub-model."""
        n_groups = max(1, n_workers // self.n_submodels)
        tasks = divided_rounds(
            self.costs,
            n_groups,
            self.n_submodels,
            n_workers,
            self.steps,
            design=self.design,
            build_seconds=self.build,
        )
        return round_seconds(tasks, self.platform)

    def efficiency(self, n_workers: int) -> float:
        """Share of the round that a worker spends in optimizer steps."""
        return self.steps * self.costs.step / self.seconds(n_workers)

    def without(self, limit: str) -> Situation:
        """Return the same, had one thing no cost."""
        if limit in _FREE_COSTS:
            free = dict.fromkeys(_FREE_COSTS[limit], 0.0)
            return dataclasses.replace(self, costs=dataclasses.replace(self.costs, **free))
        if limit in _FREE_PLATFORM:
            platform = dataclasses.replace(self.platform, **_FREE_PLATFORM[limit])
            return dataclasses.replace(self, platform=platform)
        return dataclasses.replace(self, build=0.0)


LIMITS = (*_FREE_PLATFORM, *_FREE_COSTS, "building the graph")


def predict(measured: Mapping[str, Any], full: bool) -> dict[str, Any]:
    """Make all predictions from what was measured."""
    with _uncollected():
        return _predict(measured, full)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """No search for cycles among a million tasks, where there are none: a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _predict(measured: Mapping[str, Any], full: bool) -> dict[str, Any]:
    workers, gbits_looked_at = (WORKERS, GBITS) if full else (WORKERS[::2], GBITS[-1:])
    networks = _networks(measured)
    return {
        "checks": [check(measured, one) for one in measured["checks"]],
        "sleepers": [sleepers(measured["sleeping"], one) for one in measured["sleeping"]["rounds"]],
        "curves": [
            {"scaling": scaling, "width": width, "gbits": gbits, "method": method,
             "workers": list(workers), "seconds": seconds}
            for scaling in ("strong", "weak")
            for width in networks
            for gbits in gbits_looked_at
            for method, seconds in curves(measured, scaling, width, gbits, workers).items()
        ],
        "limits": [
            limits(measured, width, gbits, (100, 1000) if full else (1000,), full)
            for width in (networks if full else list(networks)[-1:])
            for gbits in gbits_looked_at
        ],
    }  # fmt: skip


def _networks(measured: Mapping[str, Any]) -> dict[int, list[int]]:
    """Return the widths that costs were measured of, and the sub-models of each."""
    found: dict[int, list[int]] = {}
    for name in measured["costs"]:
        width, n_submodels = map(int, name.split("/"))
        found.setdefault(width, []).append(n_submodels)
    return found


def check(measured: Mapping[str, Any], real: Mapping[str, Any]) -> dict[str, Any]:
    """Predict a real round on this machine, from its own costs with as many workers."""
    n_workers, _, n_groups, n_submodels, steps = real["case"]
    dask = measured[f"dask_{n_workers}"]
    costs = Costs(**real["costs"])
    platform = Platform(
        scheduler_seconds=dask["wall"],
        overhead_seconds=max(0.0, dask["chain"] - dask["wall"]),
        bandwidth=float(np.median(measured["bandwidth"])),
        fetch_seconds=dask["fetch"],
    )
    tasks = divided_rounds(
        costs,
        n_groups,
        n_submodels,
        n_workers,
        steps,
        build_seconds=dask["build"],
        n_rounds=len(real["seconds"]) + 1,
    )
    kernels = n_groups * n_submodels * steps * costs.step / n_workers
    return {
        "case": real["case"],
        "measured": real["seconds"],
        "predicted": round_seconds(tasks, platform),
        "kernels": kernels,
        "tasks": (len(tasks) - n_submodels) // (len(real["seconds"]) + 1),
    }


def sleepers(sleeping: Mapping[str, Any], real: Mapping[str, Any]) -> dict[str, Any]:
    """Predict rounds of sleeping tasks, which tell of order and of Dask alone."""
    n_groups, n_submodels = real["case"]
    nothing = dict.fromkeys((field.name for field in dataclasses.fields(Costs)), 0)
    tasks = divided_rounds(
        Costs(**{**nothing, **sleeping["sleep"]}),
        n_groups,
        n_submodels,
        sleeping["workers"],
        0,
        build_seconds=sleeping["dask"]["build"],
    )
    platform = Platform(
        scheduler_seconds=sleeping["dask"]["wall"],
        overhead_seconds=max(0.0, sleeping["dask"]["chain"] - sleeping["dask"]["wall"]),
        fetch_seconds=sleeping["dask"]["fetch"],
    )
    return {**real, "predicted": round_seconds(tasks, platform)}


def situation(measured: Mapping[str, Any], width: int, n_submodels: int, gbits: float) -> Situation:
    """Return a cluster whose scheduler, client and workers have a machine each."""
    dask = measured["dask_2"]
    platform = Platform(
        scheduler_seconds=dask["busy"],
        overhead_seconds=max(0.0, dask["chain"] - dask["wall"]),
        bandwidth=gbits * 1e9 / 8,
        latency=LATENCY,
        fetch_seconds=dask["fetch"],
    )
    costs = Costs(**measured["costs"][f"{width}/{n_submodels}"])
    return Situation(costs, n_submodels, platform, dask["build"], STEPS)


def curves(
    measured: Mapping[str, Any], scaling: str, width: int, gbits: float, workers: Sequence[int]
) -> dict[str, list[float]]:
    """Predict the seconds of a round of each method, for each number of workers."""
    strong = scaling == "strong"
    whole = situation(measured, width, 1, gbits)
    n_bytes = whole.costs.slice_bytes
    found: dict[str, list[float]] = {}
    for n_submodels in _networks(measured)[width]:
        one = situation(measured, width, n_submodels, gbits)
        label = (
            f"divided, K = {n_submodels}" if n_submodels > 1 else "local SGD, same graph (K = 1)"
        )
        found[label] = [
            dataclasses.replace(
                one, steps=ROWS / BATCH / max(1, n // n_submodels) if strong else STEPS
            ).seconds(n)
            for n in workers
        ]
    steps = [ROWS / BATCH / n if strong else STEPS for n in workers]
    found["local SGD, ring at the round's end"] = [
        many * whole.costs.step + whole.costs.part + ring_seconds(n_bytes, n, whole.platform)
        for many, n in zip(steps, workers, strict=True)
    ]
    found["data-parallel, ring at each step"] = [
        data_parallel_seconds(whole.costs.step, n_bytes, n, many, whole.platform)
        for many, n in zip(steps, workers, strict=True)
    ]
    return found


def limits(
    measured: Mapping[str, Any], width: int, gbits: float, workers: Sequence[int], full: bool
) -> dict[str, Any]:
    """Find what limits the divided network as workers grow, and what lifts that, weakly scaled."""
    built = situation(measured, width, LOOKED_AT[width], gbits)
    relayed = dataclasses.replace(built, design=Design(relay=True))
    wider = dataclasses.replace(built, design=Design(relay=True, arity=WIDER))
    designs = {
        "as built": built,
        "slices relayed": relayed,
        f"slices relayed, sums of {WIDER}": wider,
    }
    if full:
        designs["Dask at a tenth of its cost"] = _with_quicker_dask(built)
        designs["slices relayed, Dask at a tenth"] = _with_quicker_dask(relayed)
        designs["as built, rounds ten times as long"] = dataclasses.replace(
            built, steps=10 * built.steps
        )
    half = {name: workers_at_half(one) for name, one in designs.items()}
    return {
        "width": width,
        "gbits": gbits,
        "n_submodels": built.n_submodels,
        "steps": STEPS,
        "training": built.steps * built.costs.step,
        "half": half,
        "limits": {
            name: [one.seconds(half[name]), waterfall(one, half[name], 2)]
            for name, one in designs.items()
            if half[name] < WORKERS[-1]
        },
        "at": {str(n): [built.seconds(n), waterfall(built, n, 2)] for n in workers},
    }


def _with_quicker_dask(one: Situation) -> Situation:
    platform = one.platform
    quicker = dataclasses.replace(platform, scheduler_seconds=platform.scheduler_seconds / 10)
    return dataclasses.replace(one, platform=quicker, build=one.build / 10)


def workers_at_half(one: Situation, most: int = WORKERS[-1]) -> int:
    """Return the workers from which on less than half of their time is in optimizer steps.

    By bisection over whole groups; `most` where it is more than half with that many.
    """
    low, high = 1, most // one.n_submodels  # groups
    if one.efficiency(high * one.n_submodels) > HALF:
        return most
    while high - low > max(1, low // 20):
        middle = min(max(math.isqrt(low * high), low + 1), high - 1)  # few workers take less long
        if one.efficiency(middle * one.n_submodels) > HALF:
            low = middle
        else:
            high = middle
    return low * one.n_submodels


def waterfall(one: Situation, n_workers: int, depth: int) -> list[list[Any]]:
    """Remove the greatest limit, then the greatest of what is left, and so on.

    Returns
    -------
    list of [str, float], (depth,)
        What had no cost in addition, and the seconds of a round then.
    """
    left, steps = list(LIMITS), []
    for _ in range(depth):
        seconds = {limit: one.without(limit).seconds(n_workers) for limit in left}
        best = min(left, key=lambda limit: seconds[limit])
        steps.append([best, seconds[best]])
        one = one.without(best)
        left.remove(best)
    return steps
