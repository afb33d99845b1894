"""The measurements of a run, in a process of their own: inputs of the model, and what checks it."""

from __future__ import annotations

from typing import Any

import numpy as np
from distributed import Client
from threadpoolctl import threadpool_info

from benchmarks.scale_model import inputs

#: Width and sub-models of what is predicted; the first number of each is local SGD's.
PREDICTED = {800: (1, 4, 8), 4096: (1, 8, 16)}
_PREDICTED_QUICKLY = {800: (1, 4), 4096: (1, 8)}
_N_BYTES = 2**26
#: Seconds of tasks that sleep: the slices of a round together well below a training, each well
#: above a message.
SLEEP = {"slice": 0.02, "train": 1.0, "part": 0.05}
#: Groups and sub-models of the rounds of tasks that sleep.
_ASLEEP = ((8, 1), (2, 4), (8, 4))

#: Width, groups, sub-models, steps of the real rounds that predictions are compared with.
_CHECKED = ((256, 16, 8, 10), (800, 2, 2, 50), (800, 4, 4, 50))
_CHECKED_IN_FULL = (
    (256, 1, 1, 200),
    (256, 32, 8, 10),
    (800, 1, 8, 100),
    (800, 8, 8, 50),
    (2048, 2, 8, 50),
)


def work(settings: dict[str, bool]) -> dict[str, Any]:
    """Measure everything; called in a fresh process."""
    full = settings["full"]
    checked = sorted(_CHECKED + (_CHECKED_IN_FULL if full else ()))
    predicted = PREDICTED if full else _PREDICTED_QUICKLY
    turns, n_rounds = (5, 5) if full else (2, 3)
    measured: dict[str, Any] = {"turns": turns, "checks": []}
    for n_workers in (1, 2):
        with inputs.cluster_of(n_workers) as client:
            inputs.real_rounds(64, n_workers, 2, 4, 2)  # compiles and loads the kernels
            measured[f"dask_{n_workers}"] = _dask(client, 10 if full else 4)
            if n_workers == 1:
                wanted = [(width, k) for width, ks in predicted.items() for k in ks]
                measured["costs"] = inputs.busy_costs(client, wanted, turns, together=False)
                measured["blas"] = client.submit(_blas).result()
            else:
                measured["bandwidth"] = inputs.bandwidth_between(client, _N_BYTES, turns)
            for case in checked:
                measured["checks"].append(_check(client, (n_workers, *case), n_rounds))
    measured["sleeping"] = _sleeping(full)
    return measured


def _check(client: Client, case: tuple[int, ...], n_rounds: int) -> dict[str, Any]:
    """Train for some rounds; measure the costs before and after, as machines drift."""
    _, width, _, n_submodels, _ = case
    costs = []
    for turn in range(2):
        if turn:
            seconds = inputs.real_rounds(*case[1:], n_rounds)
        found = inputs.busy_costs(client, [(width, n_submodels)], 2, together=True)
        costs.extend(found.values())
    mean = {name: float(np.mean([one[name] for one in costs])) for name in costs[0]}
    return {"case": list(case), "seconds": seconds, "costs": mean}


def _sleeping(full: bool) -> dict[str, Any]:
    """Let more workers than there are cores sleep: what order and place of tasks cost."""
    n_workers = 8
    measured: dict[str, Any] = {"workers": n_workers, "sleep": SLEEP, "rounds": []}
    with inputs.cluster_of(n_workers) as client:
        client.wait_for_workers(n_workers)
        measured["dask"] = _dask(client, 4)
        for case in _ASLEEP:
            turns = [inputs.sleeping_rounds(client, *case, SLEEP) for _ in range(2 if full else 1)]
            measured["rounds"].append({"case": list(case), "seconds": float(np.median(turns))})
    return measured


def _dask(client: Client, n_rounds: int) -> dict[str, Any]:
    """Measure what a task costs beyond its own work, a link of a chain, and a fetched input."""
    empty = inputs.empty_rounds(client, 32, 8, n_rounds)
    n_workers = len(client.scheduler_info(n_workers=-1)["workers"])
    chains = [
        [inputs.seconds_of_chain(client, 100, n) for n in (1, min(2, n_workers))]
        for _ in range(n_rounds)
    ]
    kinds = {kind: float(np.median(empty[kind])) for kind in ("wall", "busy", "build")}
    chain, apart = np.median(chains, axis=0).tolist()
    return {"tasks": empty["tasks"], **kinds, "chain": chain, "fetch": max(0.0, apart - chain)}


def _blas() -> list[str]:
    return sorted({info["architecture"] for info in threadpool_info() if "architecture" in info})
