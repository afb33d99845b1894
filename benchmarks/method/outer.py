"""The outer step: η and μ by groups and sub-models.

python -m benchmarks.method.outer --data FOLDER
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.method.images import rendered, run, work
from benchmarks.method.study import Record, Settings, Study

_OFF, _ON, _STRONG = (1.0, 0.0), (0.7, 0.7), (0.7, 0.9)
_GRID = ((1, 2), (1, 8), (4, 2), (8, 2))


def _run(G: int, K: int, eta: float, mu: float, rule: str = "fixed", **options: float) -> Settings:
    """Nine rounds, then 2 sub-models (where there were more), then 1."""
    ending = [2, 1] if K > 2 else [1]
    options = {
        "n_groups": G,
        "n_rounds": 12,
        "n_submodels": [K] * (12 - len(ending)) + ending,
        "outer_learning_rate": eta,
        "outer_momentum": mu,
    } | options
    rate = f"{options['learning_rate']:g}" if "learning_rate" in options else "default"
    label = (G, K, options.get("optimizer", "adamw"), f"{eta:g}, {mu:g}", rule, rate)
    return run(label, options, outer=rule)


RUNS = [
    *(_run(G, K, *step) for G, K in _GRID for step in (_OFF, _ON)),
    _run(4, 2, *_STRONG),
    # An outer step of 0.7, 0.7 moves 0.7 / (1 - 0.7) = 2.3 times as far as plain merging.
    _run(1, 2, *_OFF, learning_rate=0.0029),
    _run(1, 8, *_ON, "holders"),
    *(_run(1, 2, *step, optimizer="sgd", learning_rate=0.03) for step in (_OFF, _ON)),
]

_INTRODUCTION = (
    "MNIST, 20,000 images to train on, twelve rounds of one pass over each group's subset (at "
    "least 50 steps), the last with 2 and 1 sub-models and the outer step off; one seed (the grid "
    "of G and K is thinned). *holders*: the outer step is taken only on entries with several "
    "holders."
)


def render(records: Sequence[Record]) -> str:
    """One table."""
    header = ("G", "K", "optimizer", "η, μ", "where", "learning rate")
    return rendered(_INTRODUCTION, header, records)


STUDY = Study("outer", "The outer step", RUNS, work, render)

if __name__ == "__main__":
    STUDY.command()()
