"""What the keys of a run's tasks say."""

from __future__ import annotations

from typing import Any


def belongs(key: Any, run: str) -> bool:
    """Whether a task is one of a run's."""
    return bool(run) and isinstance(key, tuple) and f"-{run}" in str(key[0])


def in_words(key: Any, run: str) -> str:
    """Say what a task of a run is: its stage and its place."""
    stage, place = stage_of(key, run)
    words = [stage]
    if place and isinstance(place[0], int):
        words.append(f"of round {place[0] + 1}")
    if stage == "train":
        words.append("(group {}, sub-model {})".format(*place[1:]))
    return " ".join(words)


def stage_of(key: Any, run: str) -> tuple[str, tuple[Any, ...]]:
    """Return the stage of a run's task, and its place."""
    name, *place = key if isinstance(key, tuple) else (key,)
    return str(name).partition(f"-{run}")[0], tuple(place)
