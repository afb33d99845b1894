"""Parents on disk: as models in a checkpoint, or as plain arrays for the run alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import fsspec
import numpy as np
import zarr

from dask_horn.model import Ensemble, Model, load
from dask_horn.partition import Partition
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.tasks.merge import ParentState

__all__ = ["load_parent", "load_spilled", "models_of", "save_parents", "spill_state"]


def models_of(spec: RunSpec, parents: Sequence[ParentState]) -> Model | Ensemble:
    """Make the parents a model, or an ensemble where the groups are not merged."""
    models = [
        Model(
            spec.network,
            parent.parameters,
            spec.standardizer,
            spec.targets,
            statistics=parent.statistics,
        )
        for parent in parents
    ]
    return Ensemble(tuple(models)) if spec.ensemble else models[0]


def save_parents(spec: RunSpec, location: str, *parents: ParentState) -> str:
    """Write the parents of a round to a new group; return its location."""
    model = models_of(spec, parents)
    group = zarr.open_group(location, mode="w")
    model.write_to(group.create_group("model"))
    for lineage, parent in enumerate(parents):
        if parent.momentum.size:
            group.create_array(f"momentum/{lineage}", data=parent.momentum)
    return location


def load_parent(location: str, round: int, lineage: int) -> ParentState:
    """Read one parent that `save_parents` has written."""
    model = load(f"{location}/model")
    member = model.members[lineage] if isinstance(model, Ensemble) else model
    parent = ParentState.start(member.parameters, round, momentum=False)
    parent = replace(parent, statistics=member.statistics)
    if "momentum" not in zarr.open_group(location, mode="r"):
        return parent
    momentum = zarr.open_array(f"{location}/momentum/{lineage}", mode="r")[...]
    return replace(parent, momentum=np.asarray(momentum))


def spill_state(location: str, name: str, state: ParentState) -> str:
    """Write a parent, or a part of one, for this run alone: no model, so in a tenth of the time."""
    filesystem, path = fsspec.url_to_fs(location)
    filesystem.makedirs(path, exist_ok=True)
    with filesystem.open(f"{path}/{name}.npy", "wb") as file:
        np.save(file, state.parameters)
        np.save(file, state.momentum)
    return location


def load_spilled(location: str, name: str, round: int, partition: Partition | None) -> ParentState:
    """Read what `spill_state` has written; `partition` where that is a part."""
    filesystem, path = fsspec.url_to_fs(location)
    with filesystem.open(f"{path}/{name}.npy", "rb") as file:
        return ParentState(round, np.load(file), np.load(file), partition=partition)
