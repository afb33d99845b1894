"""Which exponent of scale, and what it leaves out of tune.

python -m benchmarks.method.scale --data FOLDER
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.method.images import rendered, run, work
from benchmarks.method.study import Record, Settings, Study

_EXPONENTS = (0.0, 0.25, 0.33, 0.5)


def _run(widths: list[int], K: int, exponent: float, name: str = "", **changes: Any) -> Settings:
    """Eight divided rounds of one pass, then 2 sub-models, then 1; the outer step off."""
    options = {
        "n_rounds": 10,
        "n_submodels": [K] * 8 + [2, 1],
        "hidden_exponent": exponent,
        "outer_learning_rate": 1.0,
        "outer_momentum": 0.0,
    }
    label = ("-".join(map(str, widths)), K, f"{exponent:.2f}", name)
    return run(label, options, widths=widths, **{"rate_floor": 0.1} | changes)


RUNS = [
    *(_run([800] * 2, K, a, seed=seed) for K in (2, 4, 8) for a in _EXPONENTS for seed in (0, 1)),
    *(_run([800] * 3, K, a) for K in (2, 8) for a in _EXPONENTS),
    *(_run([2048] * 2, 8, a) for a in (0.25, 0.5)),
    *(_run([800] * 2, K, 0.5, "mean field", mean_field=True) for K in (2, 4, 8)),
    _run([800] * 2, 8, 0.0, "mean field", mean_field=True),
    *(_run([800] * 2, 8, 0.5, f"s = {s}", rate_exponent=s) for s in (0.0, 0.5)),
    _run([800] * 2, 8, 0.5, "recalibrate", recalibrate="always"),
]

_INTRODUCTION = (
    "MNIST, 20,000 images to train on (of 50,000: the grid is thinned so), ten rounds of one pass "
    "with 8 × K, 2, 1 sub-models, AdamW at its default rate with a floor of a tenth, outer step "
    "off. Two seeds for two layers of 800, one elsewhere. *Divided*: validation accuracy of the "
    "parent after the eight divided rounds. *In tune*: for each hidden layer, the deviation of a "
    "unit's pre-activation in the parent after the round with 2 sub-models over that in its "
    "sub-model, and the difference of the means in units of the latter; 1 and 0 are in tune. "
    "Variants, none of them in the library: *s*: slices are trained at scale c^s, so that a step "
    "moves a product by c^s, not c; *mean field*: what dropped connections contribute on average "
    "is given as a constant; *recalibrate*: after each merge the parent's units get their "
    "sub-models' means and deviations."
)


def render(records: Sequence[Record]) -> str:
    """One table of everything."""
    header = ("hidden", "K", "a_h", "variant", "in tune", "divided")
    return rendered(_INTRODUCTION, header, records, _before_the_descent)


def _before_the_descent(records: Sequence[Record]) -> list[str]:
    tune = records[0].measured["tune"].values()
    divided = sum(record.measured["rounds"][7] for record in records) / len(records)
    return ["; ".join(f"{ratio:.2f}, {shift:+.2f}" for ratio, shift in tune), f"{divided:.2f}"]


STUDY = Study("scale", "The scale of products between hidden layers", RUNS, work, render)

if __name__ == "__main__":
    STUDY.command()()
