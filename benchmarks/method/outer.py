"""The outer step: η and μ by groups and sub-models.

python -m benchmarks.method.outer --data FOLDER
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.method.images import rendered, run, work
from benchmarks.method.study import Record, Settings, Study

_OFF, _ON, _STRONG = (1.0, 0.0), (0.7, 0.7), (0.7, 0.9)
_REDRAWN = ((1, 2), (1, 8), (4, 2), (8, 2))
_JOINED = ((1, 1), (1, 2), (1, 8), (4, 1), (4, 2), (4, 8), (8, 2))


def _run(
    G: int,
    K: int,
    eta: float,
    mu: float,
    rule: str = "fixed",
    redraw: bool = False,
    **options: float,
) -> Settings:
    """Ten or eleven rounds, then 2 sub-models (where there were more), then 1."""
    ending = [2, 1] if K > 2 else [1]
    options = {
        "n_groups": G,
        "n_rounds": 12,
        "n_submodels": [K] * (12 - len(ending)) + ending,
        "outer_learning_rate": eta,
        "outer_momentum": mu,
    } | options
    if redraw:
        options["redraw"] = True
    rate = f"{options['learning_rate']:g}" if "learning_rate" in options else "default"
    partition = "redrawn" if redraw else "joined"
    label = (G, K, partition, options.get("optimizer", "adamw"), f"{eta:g}, {mu:g}", rule, rate)
    return run(label, options, outer=rule)


# An outer step of 0.7, 0.7 moves 0.7 / (1 - 0.7) = 2.3 times as far as plain merging.
_FAST = 0.0029


def _special(redraw: bool) -> list[Settings]:
    """Settings that are tried at one place of the grid."""
    sgd = [
        _run(1, 2, *step, redraw=redraw, optimizer="sgd", learning_rate=0.03)
        for step in (_OFF, _ON)
    ]
    return [
        _run(4, 2, *_STRONG, redraw=redraw),
        _run(1, 2, *_OFF, redraw=redraw, learning_rate=_FAST),
        *sgd,
    ]


RUNS = [
    *(_run(G, K, *step) for G, K in _JOINED for step in (_OFF, _ON)),
    *_special(redraw=False),
    *(_run(G, K, *step, redraw=True) for G, K in _REDRAWN for step in (_OFF, _ON)),
    *_special(redraw=True),
    _run(1, 8, *_ON, "holders", redraw=True),
]

_INTRODUCTION = (
    "MNIST, 20,000 images to train on, twelve rounds of one pass over each group's subset (at "
    "least 50 steps), the last with 2 and 1 sub-models and the outer step off; one seed (the grid "
    "of G and K is thinned). *Joined*, *redrawn*: the partition is drawn once, or in each round. "
    "*holders*: the outer step is taken only on entries with several "
    "holders."
)


def render(records: Sequence[Record]) -> str:
    """One table."""
    header = ("G", "K", "partitions", "optimizer", "η, μ", "where", "learning rate")
    return rendered(_INTRODUCTION, header, records)


STUDY = Study("outer", "The outer step", RUNS, work, render)

if __name__ == "__main__":
    STUDY.command()()
