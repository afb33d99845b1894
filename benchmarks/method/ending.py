"""How a run should end.

python -m benchmarks.method.ending --data FOLDER
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.method.images import rendered, run, work
from benchmarks.method.study import Record, Settings, Study

_ENDINGS = {2: [1] * 2, 4: [2] * 2 + [1] * 2, 8: [4] * 2 + [2] * 2 + [1] * 2}


def _run(
    K: int, ending: list[int], name: str = "", regroup: bool = False, **variant: Any
) -> Settings:
    options = {
        "n_rounds": 12,
        "n_submodels": [K] * (12 - len(ending)) + ending,
        "regroup": regroup,
    }
    label = (K, ", ".join(map(str, ending)) or "none", name)
    return run(label, options, rows=40_000, **variant)


def _for(K: int) -> list[Settings]:
    descent = _ENDINGS[K]
    return [
        _run(K, []),
        _run(K, [], "last 4 parents averaged, rate floor 0.3", average_last=4, rate_floor=0.3),
        _run(K, [1]),
        _run(K, descent),
        _run(K, descent, "regrouped", regroup=True),
        _run(K, descent, "regrouped, rate floor 0.1", regroup=True, rate_floor=0.1),
    ]


RUNS = [
    *_for(8),
    _run(8, [], "recalibrated at the end", recalibrate="end"),
    *(
        _run(K, ending, "regrouped" if regroup else "", regroup=regroup)
        for K in (4, 2)
        for ending, regroup in (([], False), (_ENDINGS[K], False), (_ENDINGS[K], True))
    ),
]

_INTRODUCTION = (
    "MNIST, 40,000 images to train on, twelve rounds of one pass, G = 1, AdamW with default rate "
    "and decay, cosine, outer step 0.7, 0.7 and off in the ending; one seed. *Rate floor*: the "
    "share of the peak that the cosine descends to. *Regrouped*, the default: where there are "
    "fewer sub-models there are more groups, each with fewer rows, so that as many workers are "
    "busy for a shorter time. *Parts joined*: coarser partitions are unions of the first one's "
    "parts, so that nothing is ever out of tune; entries between parts start at 0."
)


def render(records: Sequence[Record]) -> str:
    """One table."""
    return rendered(_INTRODUCTION, ("K", "ending", "variant"), records)


STUDY = Study("ending", "The ending", RUNS, work, render)

if __name__ == "__main__":
    STUDY.command()()
