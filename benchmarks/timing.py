"""Timing side by side: these machines drift, so what is compared takes turns in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

__all__ = [
    "best_of",
    "geometric_mean",
    "in_turns",
    "judged",
    "median_and_spread",
    "over_best",
    "ratio",
]


def in_turns(
    contestants: Mapping[str, Callable[[], object]], turns: int, seconds: float = 0.0
) -> dict[str, list[float]]:
    """Time each contestant in turn, A B C A B C …; return the seconds of a call in each turn.

    Each is called twice before anything counts; calls shorter than `seconds` are repeated until a
    turn lasts as long, and their mean is taken.
    """
    calls = {name: _calls_within(call, seconds) for name, call in contestants.items()}
    measured: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(turns):
        for name, call in contestants.items():
            began = time.perf_counter()
            for _ in range(calls[name]):
                call()
            measured[name].append((time.perf_counter() - began) / calls[name])
    return measured


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """Return the median of the ratios of two contestants' times, turn by turn."""
    return float(np.median(np.array(over) / np.array(under)))


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean."""
    return float(np.exp(np.mean(np.log(values))))


def best_of(seconds: Mapping[str, Sequence[float]], names: Iterable[str]) -> str:
    """Find the fastest of those that have been timed, by the median."""
    timed = [name for name in names if name in seconds]
    return min(timed, key=lambda name: float(np.median(seconds[name])))


def over_best(seconds: Mapping[str, Sequence[float]], best: str, ours: str = "ours") -> str:
    """Format how many times faster ours is, with quartiles."""
    ratios = np.array(seconds[best]) / np.array(seconds[ours])
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    return f"**{middle:.2f}** ({low:.2f} – {high:.2f})"


def judged(what: str, value: float, goal: float) -> str:
    """Say whether a figure is as high as it should be."""
    return f"- {what}: {value:.2f}, goal {goal}: {'reached' if value >= goal else 'MISSED'}."


def median_and_spread(values: Sequence[float], digits: int = 2, factor: float = 1.0) -> str:
    """Format a median with the quartiles around it, all times `factor`."""
    low, middle, high = np.percentile(np.array(values) * factor, [25, 50, 75])
    return f"{middle:.{digits}f} ({low:.{digits}f} – {high:.{digits}f})"


def _calls_within(call: Callable[[], object], seconds: float) -> int:
    """How many calls take that many seconds, by the second of two."""
    took = 0.0
    for _ in range(2):
        began = time.perf_counter()
        call()
        took = time.perf_counter() - began
    return max(1, round(seconds / took)) if took > 0 else 1
