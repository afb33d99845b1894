"""Parents on disk: as models in a checkpoint, or as plain arrays for the run alone."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data.store.locations import extended, joined, open_array, open_group
from dask_horn.data.store.storing import (
    filesystem_at,
    make_folder,
    replacing,
    store_with_retries,
    sync,
)
from dask_horn.errors import UnsharedError
from dask_horn.model import Ensemble, Model, load
from dask_horn.records import beat
from dask_horn.training.plan.merge_rules import MERGE_RULES
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.tasks.states import Part, Whole

_NO_STATISTICS = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Saved:
    """Parents that are saved.

    Attributes
    ----------
    location : str
    round : int
        Rounds that they have been through.
    n_parts : int
        Parts of each that are saved by themselves; 0 for whole parents in a checkpoint.
    divided : bool
        Whether these are parts, be it a single one.
    """

    location: str
    round: int
    n_parts: int = 0
    divided: bool = False


def models_of(spec: RunSpec, parents: Sequence[Whole]) -> Model | Ensemble:
    """Make the parents a model, or an ensemble where the groups are not merged."""
    models = [
        Model(
            spec.network,
            parent.parameters,
            spec.standardizer,
            spec.targets,
            device=spec.device,
            statistics=_NO_STATISTICS if parent.statistics is None else parent.statistics,
        )
        for parent in parents
    ]
    return Ensemble(tuple(models)) if spec.ensemble else models[0]


def save_parents(spec: RunSpec, location: str, *parents: Whole) -> str:
    """Write the parents of a round to a new group; return where it is.

    Its name begins with `location` and ends as no other's does. Dask may do this task again, also
    after what it has written is part of a checkpoint: on another worker, or on one that was stopped
    and goes on. A try that has failed leaves a part of a group.
    """
    model = models_of(spec, parents)

    def save() -> str:
        folder = extended(location, f"-{secrets.token_hex(4)}")
        group = open_group(folder, "w")
        model.write_to(group.create_group("model"))
        for member, parent in enumerate(parents):
            for number, state in enumerate(parent.states):
                beat(spec.run)  # large ones take long on a slow store
                group.create_array(f"{_state_name(number)}/{member}", data=state)
        beat(spec.run)
        sync(folder)  # before the checkpoint points at it
        return folder

    return store_with_retries(save, "checkpoint", location)


def spill_state(location: str, name: str, state: Whole | Part) -> str:
    """Write a parent, or a part of one, for this run alone: no model, so in a tenth of the time."""

    def spill() -> str:
        make_folder(*filesystem_at(location))
        with replacing(joined(location, f"{name}.npy"), durable=False) as file:
            for vector in (state.parameters, *state.states):
                np.save(file, vector)
        return location

    return store_with_retries(spill, "scratch", location)


def is_spilled(saved: Saved, n_parents: int) -> bool:
    """Whether this process sees all parts of all parents that were to be written."""
    filesystem, path = filesystem_at(saved.location)
    names = [part_name(i, m) for i in range(n_parents) for m in range(saved.n_parts)]
    return all(filesystem.exists(f"{path}/{name}.npy") for name in names)


def part_name(member: int, submodel: int) -> str:
    """Return the name under which a part is saved."""
    return f"{member}-{submodel}"


def load_saved(spec: RunSpec, saved: Saved, member: int, submodel: int) -> Whole | Part:
    """Read one parent, or one part of it."""
    n_states = MERGE_RULES[spec.merge_rule].n_states
    if not saved.n_parts:
        return _load_parent(saved, member, n_states)

    def read() -> list[NDArray[np.float32]]:
        filesystem, path = filesystem_at(saved.location)
        with filesystem.open(f"{path}/{part_name(member, submodel)}.npy", "rb") as file:
            return [np.load(file) for _ in range(1 + n_states)]

    try:
        parameters, *states = store_with_retries(read, "scratch", saved.location, "read")
    except FileNotFoundError:
        raise UnsharedError(
            f"scratch={saved.location!r} is not seen by all workers; pass scratch= or checkpoint= "
            "a folder or URL that every worker can reach"
        ) from None
    if saved.divided:
        return Part(parameters, saved.round, tuple(states))
    return Whole(saved.round, parameters, tuple(states))


def _load_parent(saved: Saved, member: int, n_states: int) -> Whole:
    """Read one parent that `save_parents` has written."""
    found = load(joined(saved.location, "model"))
    model = found.members[member] if isinstance(found, Ensemble) else found
    states = [f"{_state_name(number)}/{member}" for number in range(n_states)]

    def read() -> tuple[NDArray[Any], ...]:
        return tuple(np.asarray(open_array(saved.location, state)[...]) for state in states)

    kept = store_with_retries(read, "checkpoint", saved.location, "read")
    return Whole(
        saved.round,
        model.parameters,
        kept,
        statistics=model.statistics if model.statistics.size else None,
    )


def _state_name(number: int) -> str:
    """Return the name of one of the outer step's states: the first is Nesterov's momentum."""
    return "momentum" if number == 0 else f"state-{number}"
