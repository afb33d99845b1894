"""An optimizer's numbers for a step: found once for each operation, and read by all its threads."""

from __future__ import annotations

from typing import Any

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cuda.columns import N_NUMBERS
from dask_horn.kernels.cuda.compile import kernel
from dask_horn.kernels.cuda.driver import cuda
from dask_horn.kernels.cuda.lowering import prepared_by
from dask_horn.kernels.rules import RULES, Rule


@inlined
def _six(n: Any) -> Any:
    return n[0], n[1], n[2], n[3], n[4], n[5]


@inlined
def _nine(n: Any) -> Any:
    return n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8]


#: What reads so many numbers as a tuple, which rules take them as.
NUMBERS_OF = {6: _six, 9: _nine}


def _prepare(name: str, rule: Rule) -> None:
    """Register the kernel that finds a rule's numbers, in float64, and what needs it."""
    constants, n_constants = rule.constants, rule.n_constants
    assert n_constants <= N_NUMBERS

    @kernel(f"{name}_numbers", 1, serves=(name,))
    def prepare(tiles: Any, rows: Any, counters: Any, scalars: Any, numbers: Any) -> None:
        s, i = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1]
        found = constants(rows[s, i], counters[s], scalars[s])
        for k in range(n_constants):
            numbers[s, i, k] = found[k]

    for updating in (name, f"gemm_weight_{name}"):
        prepared_by(updating, f"{name}_numbers")


for _name, _rule in RULES.items():
    _prepare(_name, _rule)
