"""Parents that are saved between rounds and read again, as tasks: what comes after is cut off.

A checkpoint has whole parents, as models. For a run alone, parts are saved where they are, each by
itself, and are read there again: nothing travels but their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dask.delayed import Delayed

from dask_horn.cluster import Placement
from dask_horn.training.graph.parent import Parent, Parents
from dask_horn.training.graph.rounds import Graphs
from dask_horn.training.graph.task_layers import TaskLayers
from dask_horn.training.tasks.storage import (
    Saved,
    load_saved,
    part_name,
    save_parents,
    spill_state,
)


def save_graph(graphs: Graphs, location: str, wholes: Sequence[Any]) -> Delayed:
    """One task that writes whole parents as a checkpoint."""
    tasks = TaskLayers()
    common, given = tasks.use(graphs.shared), [tasks.use(whole) for whole in wholes]
    key = (f"save-{graphs.spec.keys}", str(location))
    saved = tasks.call(save_parents, key, (common, location, *given), near=graphs.homes(0, 0))
    return tasks.delayed(saved)[0]


def spill_graph(
    graphs: Graphs, saved: Saved, parents: Parents, placement: Placement
) -> tuple[Delayed, ...]:
    """Tasks that write each part where it is."""
    tasks = TaskLayers()
    written = [
        tasks.call(
            spill_state,
            (f"save-{graphs.spec.keys}", str(saved.location), member, m),
            (saved.location, part_name(member, m), tasks.use(part)),
            near=placement(member, m),
        )
        for member, parent in enumerate(parents)
        for m, part in enumerate(parent.parts)
    ]
    return tasks.delayed(*written)


def load_graph(graphs: Graphs, saved: Saved, placement: Placement) -> Parents:
    """Tasks that read what is saved: for each parent its parts, or it alone."""
    tasks = TaskLayers()
    common = tasks.use(graphs.shared)
    parents = []
    for member in range(graphs.spec.n_parents):
        parts = [
            tasks.call(
                load_saved,
                # The best round's may be saved apart: a key of the round alone is not unique.
                (f"load-parent-{graphs.spec.keys}", str(saved.location), member, m),
                (common, saved, member, m),
                near=placement(member, m),
            )
            for m in range(max(1, saved.n_parts))
        ]
        parents.append(Parent(tasks.delayed(*parts), saved.divided))
    return tuple(parents)
