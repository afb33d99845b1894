"""Parents that are saved between rounds and read again, as tasks: what comes after is cut off.

A checkpoint has whole parents, as models. For a run alone, parts are saved where they are, each by
itself, and are read there again: nothing travels but their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dask.delayed import Delayed

from dask_horn.cluster import Placement
from dask_horn.training.graph.stages import Parent
from dask_horn.training.graph.task_layers import TaskLayers
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.tasks.division import partition_of
from dask_horn.training.tasks.merge import ParentState
from dask_horn.training.tasks.storage import load_parent, load_spilled, save_parents, spill_state

__all__ = ["Saved", "load_graph", "part_name", "save_graph", "spill_graph"]


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


def save_graph(
    spec: RunSpec, shared: Any, location: str, wholes: Sequence[Any], homes: Placement
) -> Delayed:
    """One task that writes whole parents as a checkpoint."""
    tasks = TaskLayers()
    common, given = tasks.use(shared), [tasks.use(whole) for whole in wholes]
    key = (f"save-{spec.run}", location)
    saved = tasks.call(save_parents, key, common, location, *given, near=homes(0, 0))
    return tasks.delayed(saved)[0]


def spill_graph(
    spec: RunSpec, saved: Saved, parents: Sequence[Parent], placement: Placement
) -> tuple[Delayed, ...]:
    """Tasks that write each part where it is."""
    tasks = TaskLayers()
    return tasks.delayed(
        *(
            tasks.call(
                spill_state,
                (f"save-{spec.run}", saved.location, lineage, m),
                *(saved.location, part_name(lineage, m), tasks.use(part)),
                near=placement(lineage, m),
            )
            for lineage, parent in enumerate(parents)
            for m, part in enumerate(parent.parts)
        )
    )


def load_graph(
    spec: RunSpec, shared: Any, saved: Saved, placement: Placement
) -> tuple[tuple[Delayed, ...], ...]:
    """Tasks that read what is saved: for each parent its parts, or it alone."""
    tasks = TaskLayers()
    common = tasks.use(shared)
    return tuple(
        tasks.delayed(
            *(
                tasks.call(
                    load_saved,
                    # The best round's may be saved apart: a key of the round alone is not unique.
                    (f"load-{spec.run}", saved.location, lineage, m),
                    *(common, saved, lineage, m),
                    near=placement(lineage, m),
                )
                for m in range(max(1, saved.n_parts))
            )
        )
        for lineage in range(spec.n_parents)
    )


def part_name(lineage: int, submodel: int) -> str:
    """Return the name under which a part is saved."""
    return f"{lineage}-{submodel}"


def load_saved(spec: RunSpec, saved: Saved, lineage: int, submodel: int) -> ParentState:
    """Read one parent, or one part of it."""
    if not saved.n_parts:
        return load_parent(saved.location, saved.round, lineage)
    partition = None
    if saved.divided:
        last = saved.round - 1
        partition = partition_of(spec, last, spec.rounds[last].lineages[lineage][0])
    return load_spilled(saved.location, part_name(lineage, submodel), saved.round, partition)
