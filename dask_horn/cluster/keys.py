"""What the keys of a run's tasks say: ``("train-<run>", round, group, sub-model)``."""

from __future__ import annotations

from typing import Any

# How a task is called in a sentence: by its stage, and what its place begins with.
_ROUNDS = {
    "train": "the training of sub-model {2}, group {1}, in round {0}",
    "report": "round {0}",
    "parent": "the merge of round {0}",
    "part": "the merge of round {0}",
    "share": "the merge of round {0}",
    "put": "the merge of round {0}",
    "evaluate": "the scoring of round {0}",
    "validation": "the scoring of round {0}",
}
_OTHERS = {
    "save": "the saving of the checkpoint",
    "load": "the loading of what was saved",
    "start": "the first parameters",
    "whole": "the whole model",
    "statistics": "the population statistics",
    "run": "the run's settings",
    "survey": "the survey of the samples",
    "held-out": "the survey of the held-out samples",
}


def belongs(key: Any, run: str) -> bool:
    """Whether a task is one of a run's."""
    name = key[0] if isinstance(key, tuple) else key
    return bool(run) and f"-{run}" in str(name)


def in_words(key: Any, run: str) -> str:
    """Say what a task of a run is."""
    stage, place = stage_of(key, run)
    if stage in _ROUNDS:
        return _ROUNDS[stage].format(place[0] + 1, *place[1:])
    if stage.startswith("merge-level"):
        return f"the merge of round {place[0] + 1}"
    return _OTHERS.get(stage, f"the task {stage!r}")


def stage_of(key: Any, run: str) -> tuple[str, tuple[Any, ...]]:
    """Return the stage of a run's task, and its place: what follows in its key."""
    name, *place = key if isinstance(key, tuple) else (key,)
    return str(name).partition(f"-{run}")[0], tuple(place)
