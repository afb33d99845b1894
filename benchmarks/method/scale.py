"""Which exponent of scale, and what it leaves out of tune.

python -m benchmarks.method.scale --data FOLDER
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from benchmarks.method.images import REDRAWN, rendered, run, work
from benchmarks.method.study import Record, Settings, Study

_EXPONENTS = (0.0, 0.25, 0.33, 0.5)


def _run(
    widths: list[int],
    K: int,
    exponent: float,
    name: str = "",
    optimizer: str = "adamw",
    redraw: bool = True,
    **changes: Any,
) -> Settings:
    """Eight divided rounds of one pass, then 2 sub-models, then 1."""
    options = {
        "n_rounds": 10,
        "n_submodels": [K] * 8 + [2, 1],
        "hidden_exponent": exponent,
        "regroup": False,
    } | (REDRAWN if redraw else {})
    if optimizer == "sgd":
        options |= {"optimizer": "sgd", "learning_rate": 0.02}
    partition = "redrawn" if redraw else "joined"
    label = ("-".join(map(str, widths)), K, partition, f"{exponent:.2f}", name)
    return run(label, options, widths=widths, **changes)


_joined = partial(_run, redraw=False)

RUNS = [
    *(_joined([800] * 2, 8, a) for a in _EXPONENTS),
    *(_joined([800] * 2, K, a) for K in (2, 4) for a in (0.0, 0.5)),
    *(_joined([800] * 3, 8, a) for a in (0.0, 0.5)),
    _joined([2048] * 2, 8, 0.0),
    *(_run([800] * 2, 8, a) for a in _EXPONENTS),
    *(_run([800] * 2, K, a) for K in (2, 4) for a in (0.0, 0.5)),
    _run([800] * 3, 8, 0.5),
    _run([2048] * 2, 8, 0.5),
    _run([800] * 2, 8, 0.5, "mean field", mean_field=True),
    _run([800] * 2, 8, 0.5, "s = 0", rate_exponent=0.0),
    *(_run([800] * 2, 8, 0.5, f"sgd 0.02, s = {s}", "sgd", rate_exponent=s) for s in (1.0, 0.0)),
]

_INTRODUCTION = (
    "MNIST, 20,000 images to train on (of 50,000: the grid is thinned so), ten rounds of one pass "
    "with 8 × K, 2, 1 sub-models, AdamW with default rate and decay. *Joined*: the partition is "
    "drawn once; *redrawn*: in each round, with the outer step 0.7, 0.7. One seed. *Divided*: "
    "validation accuracy of the parent after the eight divided rounds. *In tune*: for each hidden "
    "layer, the deviation of a unit's pre-activation in the parent after the last divided round "
    "over that in its sub-model, and the difference of the means in units of the latter; 1 and 0 "
    "are in tune. Variants, none of them in the library: *s*: slices are trained at scale c^s, so "
    "that a step moves a product by c^s, not c (SGD: by the square); *mean field*: what dropped "
    "connections contribute on average is given as a constant."
)


def render(records: Sequence[Record]) -> str:
    """One table of everything."""
    header = ("hidden", "K", "partitions", "a_h", "variant", "in tune", "divided")
    return rendered(_INTRODUCTION, header, records, _before_the_descent)


def _before_the_descent(records: Sequence[Record]) -> list[str]:
    if "diverged" in records[0].measured:
        return ["diverged", ""]
    tune = records[0].measured["tune"].values()
    divided = sum(record.measured["rounds"][7] for record in records) / len(records)
    return ["; ".join(f"{ratio:.2f}, {shift:+.2f}" for ratio, shift in tune), f"{divided:.2f}"]


STUDY = Study("scale", "The scale of products between hidden layers", RUNS, work, render)

if __name__ == "__main__":
    STUDY.command()()
