"""What the keys of a run's tasks say: ``("train-<run>", round, group, sub-model)``."""

from __future__ import annotations

from typing import Any

# How a task is called in a sentence: by its stage, and what its place begins with.
_ROUNDS = {
    "train": "the training of sub-model {2}, group {1}, in round {0}",
    "gather": "the gathering of parts for round {0}",
    "delta": "the training of sub-model {2}, group {1}, in round {0}",
    "take": "the division of round {0}",
    "send": "the sending of parts for round {0}",
    "put": "the merge of round {0}",
    "share": "the merge of round {0}",
    "update": "the merge of round {0}",
    "score": "the scoring of round {0}",
    "record": "round {0}",
}
_OTHERS = {
    "initial-values": "the first parameters",
    "load-parent": "the loading of what was saved",
    "options": "the run's settings",
    "parent": "the whole model",
    "save": "the saving of the checkpoint",
    "statistics": "the population statistics",
    "survey": "the survey of the samples",
    "survey-held-out": "the survey of the held-out samples",
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
    if stage.startswith("merge-"):
        return f"the merge of round {place[0] + 1}"
    return _OTHERS.get(stage, f"the task {stage!r}")


def stage_of(key: Any, run: str) -> tuple[str, tuple[Any, ...]]:
    """Return the stage of a run's task, and its place: what follows in its key."""
    name, *place = key if isinstance(key, tuple) else (key,)
    return str(name).partition(f"-{run}")[0], tuple(place)
