"""What came of the faults, as tables."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.benchmark import Benchmark, Measured
from benchmarks.chaos.faults import KINDS
from benchmarks.chaos.trial import Trial, tried
from benchmarks.report import markdown_table

LONG, SHORT = 30, 8  #: faults

_KINDS_HEADER = ("fault", "times", "the run went on", "the client ended by", "s to a round")
_HITS_HEADER = ("", "fault", "hit", "in", "then the run", "s to a round")


def plain(trial: Trial) -> Measured:
    """Return a trial as plain values."""
    hits = [
        {**asdict(hit), "kind": hit.fault.kind, "when": hit.when, "then": hit.then}
        for hit in trial.hits
    ]
    return {**asdict(trial), "hits": hits, "verdict": trial.verdict}


def measure(folder: Path, full: bool) -> Measured:
    """Try as many faults as the form has; data sets are not needed."""
    with tempfile.TemporaryDirectory() as place:
        return plain(tried(Path(place), LONG if full else SHORT, seed=0))


def render(measured: Measured, plots: Path) -> str:
    """Write what came of each kind of fault, then of each fault."""
    hits = measured["hits"]
    return "\n\n".join(
        (
            f"{len(hits)} faults, drawn from seed {measured['seed']}, hit a training of two groups "
            f"of four sub-models, {measured['n_rounds']} rounds, on two to four worker processes. "
            f"**{measured['verdict']}**, compared with a training on threads without faults. The "
            f"client was started {measured['n_starts']} times, and went on from its checkpoint. "
            f"It took {measured['seconds']:.0f} s, and the other {measured['without']:.0f} s. "
            "*s to a round*: until the next round was done, the median and the longest.",
            markdown_table(_KINDS_HEADER, [_kind_row(kind, hits) for kind in KINDS]),
            markdown_table(_HITS_HEADER, [_hit_row(i, hit) for i, hit in enumerate(hits, 1)]),
        )
    )


def _kind_row(kind: str, hits: Sequence[dict[str, Any]]) -> tuple[object, ...]:
    own = [hit for hit in hits if hit["kind"] == kind]
    ended = Counter(error for hit in own for error in hit["errors"])
    seconds = [hit["seconds"] for hit in own if hit["seconds"] is not None]
    went_on = sum(not hit["errors"] for hit in own)
    return (
        KINDS[kind],
        len(own),
        "–" if kind == "client" else went_on,
        ", ".join(f"{error} × {times}" for error, times in ended.items()) or "–",
        f"{median(seconds):.1f}, {max(seconds):.1f}" if seconds else "–",
    )


def _hit_row(number: int, hit: dict[str, Any]) -> tuple[object, ...]:
    seconds = "–" if hit["seconds"] is None else f"{hit['seconds']:.1f}"
    return number, hit["kind"], hit["whom"], hit["when"], hit["then"], seconds


BENCHMARK = Benchmark("chaos", "Faults, and the same bits", measure, render)
