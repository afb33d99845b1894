"""How a run should end.

python -m benchmarks.method.ending --data FOLDER
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.method.images import REDRAWN, rendered, run, work
from benchmarks.method.study import Record, Settings, Study

_ENDINGS = {2: [1] * 2, 4: [2] * 2 + [1] * 2, 8: [4] * 2 + [2] * 2 + [1] * 2}


def _run(
    K: int,
    ending: list[int],
    name: str = "",
    *,
    redraw: bool = False,
    regroup: bool = False,
    **variant: Any,
) -> Settings:
    options = {
        "n_rounds": 12,
        "n_submodels": [K] * (12 - len(ending)) + ending,
        "regroup": regroup,
    } | (REDRAWN if redraw else {})
    partition = "redrawn" if redraw else "joined"
    label = (K, ", ".join(map(str, ending)) or "none", partition, name)
    return run(label, options, rows=40_000, **variant)


def _redrawn(K: int) -> list[Settings]:
    descent = _ENDINGS[K]
    return [
        _run(K, [], redraw=True),
        _run(K, descent, redraw=True),
        _run(K, descent, "regrouped", redraw=True, regroup=True),
    ]


def _joined(K: int) -> list[Settings]:
    descent = _ENDINGS[K]
    return [_run(K, []), _run(K, descent), _run(K, descent, "regrouped", regroup=True)]


_AVERAGED = {"average_last": 4, "rate_floor": 0.3}

RUNS = [
    *_joined(8),
    _run(8, [1] * 2, "regrouped", regroup=True),
    _run(8, [], "last 4 parents averaged, rate floor 0.3", **_AVERAGED),
    *_joined(4),
    *_joined(2),
    *_redrawn(8),
    _run(8, [], "last 4 parents averaged, rate floor 0.3", redraw=True, **_AVERAGED),
    _run(8, [1], redraw=True),
    _run(8, _ENDINGS[8], "regrouped, rate floor 0.1", redraw=True, regroup=True, rate_floor=0.1),
    _run(8, [], "recalibrated at the end", redraw=True, recalibrate="end"),
    *_redrawn(4),
    *_redrawn(2),
]

_INTRODUCTION = (
    "MNIST, 40,000 images to train on, twelve rounds of one pass, G = 1, AdamW with default rate "
    "and decay, cosine; one seed. *Joined*, the default: one partition is drawn for the run, "
    "sub-models start without connections between them, coarser partitions are unions of its "
    "parts, and a_h is 0. *Redrawn*: each round draws its own, a_h is ½, and before the ending the "
    "outer step is 0.7, 0.7. *Rate floor*: the share of the peak that the cosine descends to. "
    "*Regrouped*, the default: where there are fewer sub-models there are more groups, each with "
    "fewer rows, so that as many workers are busy for a shorter time."
)


def render(records: Sequence[Record]) -> str:
    """One table."""
    return rendered(_INTRODUCTION, ("K", "ending", "partitions", "variant"), records)


STUDY = Study("ending", "The ending", RUNS, work, render)

if __name__ == "__main__":
    STUDY.command()()
