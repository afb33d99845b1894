"""How a run should end.

python -m benchmarks.method.ending --data FOLDER
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.method.images import rendered, run, work
from benchmarks.method.study import Record, Settings, Study

_OFF = {"outer_learning_rate": 1.0, "outer_momentum": 0.0}


def _run(K: int, ending: list[int], name: str = "", **variant: Any) -> Settings:
    options = {"n_rounds": 12, "n_submodels": [K] * (12 - len(ending)) + ending} | _OFF
    return run((K, ", ".join(map(str, ending)) or "none", name), options, **variant)


def _for(K: int) -> list[Settings]:
    descent = [2, 1] if K > 2 else [1]
    long = [4, 4, 2, 2, 1, 1] if K > 4 else [2, 2, 1, 1] if K > 2 else [1, 1, 1]
    return [
        _run(K, []),
        _run(K, [], "last 4 parents averaged", average_last=4),
        _run(K, [], "last 4 averaged, rate floor 0.3", average_last=4, rate_floor=0.3),
        _run(K, [], "recalibrated at the end", recalibrate="end"),
        _run(K, [1]),
        _run(K, descent, "rate floor 0.1", rate_floor=0.1),
        _run(K, descent, "rate floor 0.3", rate_floor=0.3),
        _run(K, long),
        _run(K, long, "rate floor 0.1", rate_floor=0.1),
        _run(K, long, "rate floor 0.3", rate_floor=0.3),
        _run(K, long, "regrouped, rate floor 0.1", regroup=True, rate_floor=0.1),
        _run(K, long, "regrouped, rate floor 0.3", regroup=True, rate_floor=0.3),
    ]


RUNS = [settings for K in (2, 4, 8) for settings in _for(K)]

_INTRODUCTION = (
    "MNIST, 20,000 images to train on, twelve rounds of one pass, G = 1, AdamW at its default "
    "rate, cosine, outer step off; one seed. *Rate floor*: the share of the peak that the cosine "
    "descends to. *Regrouped*: where there are fewer sub-models there are more groups, each with "
    "fewer rows, so that as many workers are busy for a shorter time."
)


def render(records: Sequence[Record]) -> str:
    """One table."""
    return rendered(_INTRODUCTION, ("K", "ending", "variant"), records)


STUDY = Study("ending", "The ending", RUNS, work, render)

if __name__ == "__main__":
    STUDY.command()()
