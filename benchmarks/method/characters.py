"""Characters foretold by two LSTMs: bits per character after equal time, beside PyTorch.

python -m benchmarks.method.characters --data FOLDER
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dask_horn as horn
from benchmarks.datasets import Pair, tiny_shakespeare
from benchmarks.method.study import Record, Settings, Study
from benchmarks.recurrent import (
    BATCH,
    CLIP,
    EMBEDDED,
    STEPS,
    UNITS,
    network,
    ours,
    torch_model,
    torch_step,
)
from benchmarks.report import markdown_table

#: Of the processor, for each run; and what has rates to choose from.
SECONDS = 120
RATES = (5e-3, 1e-2, 2e-2, 4e-2)
_DECAY, _WARM_UP = 0.01, 10
_OPTIONS = {
    "n_groups": 1,
    "batch_size": BATCH,
    "clip_norm": CLIP,
    "weight_decay": _DECAY,
    "warmup_steps": _WARM_UP,
}

RUNS: list[Settings] = [
    {"who": who, "rate": rate, "seconds": SECONDS, **({"of": of} if of else {})}
    for rate in RATES
    for who, of in (
        ("ours", None),
        ("PyTorch", None),
        ("ours, K = 2", "passes"),
        ("ours, K = 2", "time"),
    )
]


def work(folder: Path, settings: Settings) -> dict[str, Any]:
    """Train one contestant for so many seconds of the processor, and score it on held-out text."""
    train, held_out, alphabet = tiny_shakespeare(folder, STEPS)
    model = network(len(alphabet))
    if settings["who"] == "PyTorch":
        return _by_torch(model, train, held_out, settings)
    n_steps = _affordable(model, train, settings)
    ending: dict[str, Any] = {"n_submodels": 1, "n_rounds": 1}
    if settings["who"] != "ours":  # the last of six rounds is undivided, as by default
        ending = {"n_submodels": [2] * 5 + [1], "n_rounds": 6}
    began = time.process_time()
    result = horn.train(
        model,
        *train,
        **_OPTIONS,
        **ending,
        learning_rate=settings["rate"],
        steps_per_round=max(1, n_steps // ending["n_rounds"]),
    )
    spent = time.process_time() - began
    bits = _bits(lambda x: np.log(result.model.predict_proba(x)), held_out)
    return {"bits": bits, "steps": n_steps, "spent": round(spent, 1)}


def _affordable(model: horn.Network, train: Pair, settings: Settings) -> int:
    """Count the steps that the time allows, by a few of them; a half's are done twice."""
    whole = _seconds(ours(model, *train))
    if settings.get("of") != "time":
        return int(settings["seconds"] / whole)
    n_characters = model.n_outputs
    half = _seconds(ours(network(n_characters, UNITS // 2, EMBEDDED // 2), *train))
    return int(settings["seconds"] / (5 / 6 * 2 * half + whole / 6))


def _seconds(step: Callable[[], object]) -> float:
    """Return the processor's time for a step."""
    step()
    began = time.process_time()
    for _ in range(10):
        step()
    return (time.process_time() - began) / 10


def _by_torch(
    model: horn.Network, train: Pair, held_out: Pair, settings: Settings
) -> dict[str, Any]:
    """Do the same with PyTorch: a cosine over the time instead of over the steps."""
    import torch

    torch.set_num_threads(1)
    made = torch_model(model)
    optimizer = torch.optim.AdamW(made.parameters(), weight_decay=_DECAY, fused=True)
    x, y = (torch.from_numpy(part.astype(np.int64)) for part in train)
    random = np.random.default_rng(0)
    began, spent, n_steps, order = time.process_time(), 0.0, 0, np.empty(0, np.int64)
    while spent < settings["seconds"]:
        if len(order) < BATCH:
            order = random.permutation(len(x))
        rows, order = torch.from_numpy(order[:BATCH]), order[BATCH:]
        progress = (1 + math.cos(math.pi * spent / settings["seconds"])) / 2
        warm = min(1.0, (n_steps + 1) / _WARM_UP)
        optimizer.param_groups[0]["lr"] = settings["rate"] * progress * warm
        torch_step(made, optimizer, x[rows], y[rows])
        n_steps, spent = n_steps + 1, time.process_time() - began

    def logs(part: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.no_grad():
            found = made(torch.from_numpy(part.astype(np.int64)))
        return np.asarray(torch.log_softmax(found, dim=-1))

    return {"bits": _bits(logs, held_out), "steps": n_steps, "spent": round(spent, 1)}


def _bits(logs: Callable[[NDArray[np.uint8]], NDArray[Any]], held_out: Pair) -> float:
    """Return the mean of -log2 of the right character's probability."""
    total = 0.0
    for first in range(0, len(held_out[0]), BATCH):
        x, y = (part[first : first + BATCH] for part in held_out)
        total -= float(np.take_along_axis(logs(x), y[..., None].astype(int), axis=2).sum())
    return round(total / held_out[1].size / math.log(2), 4)


def render(records: Sequence[Record]) -> str:
    """Write the table, and what the goals were."""
    rows = [
        (
            _called(record),
            f"{record.settings['rate']:g}",
            record.measured["steps"],
            f"{record.measured['spent']:.0f}",
            f"{record.measured['bits']:.3f}",
        )
        for record in records
    ]
    header = ("", "learning rate", "steps", "seconds", "bits per character")
    best = {name: _best(records, name) for name in dict.fromkeys(map(_called, records))}
    mine, peer = best["ours"], best["PyTorch"]
    apart = best["ours, K = 2, equal passes"] - mine
    lines = [
        f"- After equal time {mine:.3f} bits, PyTorch {peer:.3f}; goal: not above: "
        f"{'reached' if mine <= peer else 'MISSED'}.",
        f"- K = 2 after equal passes {apart:+.3f} bits from undivided; goal: within 0.05: "
        f"{'reached' if apart <= 0.05 else 'MISSED'}. After equal time "
        f"{best['ours, K = 2, equal time'] - mine:+.3f}.",
    ]
    return "\n\n".join([_INTRODUCTION, markdown_table(header, rows), "\n".join(lines)])


def _called(record: Record) -> str:
    of = record.settings.get("of")
    return f"{record.settings['who']}, equal {of}" if of else str(record.settings["who"])


def _best(records: Sequence[Record], name: str) -> float:
    """Return a contestant's fewest bits, whatever the learning rate."""
    return min(record.measured["bits"] for record in records if _called(record) == name)


_INTRODUCTION = (
    f"Tiny Shakespeare, the network of `benchmarks.recurrent`, one thread. The first nine tenths "
    f"of the text to train on, in sequences of {STEPS} characters, the last to score; every "
    f"sequence begins without a state. Each contestant trains for {SECONDS} seconds of the "
    "processor (not of the clock: the machine is shared), ours as many steps as a few tell that "
    f"the time allows; AdamW, weight decay {_DECAY}, a cosine over the run, the gradient's norm "
    f"clipped at {CLIP:g}; all begin with the same values. Undivided, ours is one round; K = 2 is "
    "six, the last one undivided, both sub-models on the one thread. *Equal passes*: as many steps "
    "as undivided. Each contestant is judged at its best rate, by the same held-out text."
)

STUDY = Study("characters", "Characters: bits after equal time", RUNS, work, render, processes=1)

if __name__ == "__main__":
    STUDY.command()()
