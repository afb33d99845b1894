"""The measurements of a run, in a process of their own: inputs of the model, and what checks it."""

from __future__ import annotations

from typing import Any

import numpy as np
from distributed import Client
from threadpoolctl import threadpool_info

from benchmarks.scale_model import inputs

#: Width and sub-models of what is predicted; the first number of each is local SGD's.
PREDICTED = {800: (1, 2, 4, 8), 4096: (1, 4, 8, 16)}
_N_BYTES = 2**26

#: Width, groups, sub-models, steps of the real rounds that predictions are compared with.
_CHECKED = (
    (256, 16, 8, 10),
    (256, 2, 2, 100),
    (800, 1, 2, 100),
    (800, 2, 2, 50),
    (800, 1, 8, 200),
    (800, 4, 4, 50),
)
_CHECKED_IN_FULL = (
    (256, 1, 1, 200),
    (256, 32, 8, 10),
    (800, 1, 1, 100),
    (800, 2, 1, 50),
    (800, 8, 2, 50),
    (800, 8, 8, 50),
    (2048, 1, 4, 50),
    (2048, 2, 8, 50),
)


def work(settings: dict[str, bool]) -> dict[str, Any]:
    """Measure everything; called in a fresh process."""
    full = settings["full"]
    checked = sorted(_CHECKED + (_CHECKED_IN_FULL if full else ()))
    turns, n_rounds = (9, 8) if full else (3, 4)
    divisions = sorted({(width, n_submodels) for width, _, n_submodels, _ in checked})
    measured: dict[str, Any] = {"turns": turns, "checks": []}
    for n_workers in (1, 2):
        with inputs.cluster_of(n_workers) as client:
            inputs.real_rounds(64, n_workers, 2, 4, 2)  # compiles and loads the kernels
            measured[f"dask_{n_workers}"] = _dask(client, 10 if full else 4)
            if n_workers == 1:
                wanted = sorted({(w, k) for w, ks in PREDICTED.items() for k in ks} | {*divisions})
                measured["costs"] = inputs.busy_costs(client, wanted, turns, together=False)
                measured["blas"] = client.submit(_blas).result()
            else:
                measured["bandwidth"] = inputs.bandwidth_between(client, _N_BYTES, turns)
                measured["costs_2"] = inputs.busy_costs(client, divisions, turns, together=True)
            for case in checked:
                seconds = inputs.real_rounds(*case, n_rounds)
                measured["checks"].append({"case": [n_workers, *case], "seconds": seconds})
    return measured


def _dask(client: Client, n_rounds: int) -> dict[str, Any]:
    """Measure what a task costs beyond its own work, and how long a chain's link takes."""
    empty = inputs.empty_rounds(client, 32, 8, n_rounds)
    chains = [inputs.seconds_of_chain(client, 100) for _ in range(n_rounds)]
    kinds = {kind: float(np.median(empty[kind])) for kind in ("wall", "busy", "build")}
    return {"tasks": empty["tasks"], **kinds, "chain": float(np.median(chains))}


def _blas() -> list[str]:
    return sorted({info["architecture"] for info in threadpool_info() if "architecture" in info})
