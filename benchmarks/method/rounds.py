"""How long a round is, and what becomes of the optimizer's state between rounds.

python -m benchmarks.method.rounds --data FOLDER
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from benchmarks.method.images import REDRAWN, rendered, run, work
from benchmarks.method.study import Record, Settings, Study

_PASS = 157  # steps of 128 for 20,000 rows
_OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adamw": {},
    "sgd": {"optimizer": "sgd", "learning_rate": 0.03},
}


def _run(
    optimizer: str,
    K: int,
    steps: int,
    warmup: int = 10,
    *,
    carried: bool = False,
    redraw: bool = False,
) -> Settings:
    """Twelve passes in rounds of so many steps; the last tenth undivided."""
    n_rounds = round(12 * _PASS / steps)
    n_last = max(1, n_rounds // 8)
    options = {
        "n_rounds": n_rounds,
        "steps_per_round": steps,
        "n_submodels": [K] * (n_rounds - n_last) + [1] * n_last,
        "warmup_steps": warmup,
        "regroup": False,
    } | (REDRAWN if redraw else {})
    partition = "redrawn" if redraw else "joined"
    label = (optimizer, K, partition, steps, warmup, "carried" if carried else "restarted")
    return run(label, options | _OPTIMIZERS[optimizer], carry_state=carried)


def _runs(redraw: bool) -> list[Settings]:
    adamw = partial(_run, "adamw", redraw=redraw)
    return [
        *(adamw(2, steps) for steps in (40, _PASS, 2 * _PASS)),
        *(adamw(2, steps, carried=True) for steps in (40, _PASS)),
        *(adamw(4, _PASS, carried=carried) for carried in (False, True)),
        *(_run("sgd", 2, _PASS, carried=carried, redraw=redraw) for carried in (False, True)),
        adamw(2, _PASS, warmup=0),
    ]


RUNS = [*_runs(redraw=False), *_runs(redraw=True)]

_INTRODUCTION = (
    "MNIST, 20,000 images to train on, twelve passes in rounds of so many steps of 128 (a pass is "
    f"{_PASS}), the last eighth of the rounds undivided, G = 1, cosine; AdamW with default rate "
    "and decay, SGD with momentum 0.9 at 0.03; one seed. *Joined*: the partition is drawn once; "
    "*redrawn*: in each round, with the outer step 0.7, 0.7. *Carried*: the optimizer's state "
    "is merged as the deltas are and starts the next round; else it starts anew."
)


def render(records: Sequence[Record]) -> str:
    """One table."""
    header = ("optimizer", "K", "partitions", "steps", "warm-up", "state")
    return rendered(_INTRODUCTION, header, records)


STUDY = Study("rounds", "Rounds and the optimizer's state", RUNS, work, render)

if __name__ == "__main__":
    STUDY.command()()
