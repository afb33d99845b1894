"""Runs of a few samples, laid out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dask_horn.data import Block, Standardizer, Targets, spool
from dask_horn.network import LOSSES
from dask_horn.program import Optimizer
from dask_horn.training.spec import OuterStep, RunSpec, Schedule

RUN = "run-of-the-tests"


def make_spec(
    network, x, y, *, n_groups=1, n_submodels=1, block_rows=5, chunk_rows=None, **changes
):
    """A run over all rows; group g has every n_groups-th block of `block_rows` rows.

    Targets: class indices, labels, or values that are already standardized.
    """
    kind = LOSSES[network.loss].kind
    store = spool(x, y, target_kind=kind, shuffle=False)
    if kind == "classes":
        targets = Targets.of_classes(np.arange(network.n_outputs))
        store = replace(store, classes=np.arange(network.n_outputs))
    elif kind == "labels":
        targets = Targets.of_labels(network.n_outputs)
    else:
        zeros = np.zeros(network.n_outputs)
        targets = Targets.of_values(zeros, zeros + 1)
    starts = range(0, len(x), block_rows)
    blocks = [Block(start, min(start + block_rows, len(x))) for start in starts]
    spec = RunSpec(
        run=RUN,
        network=network,
        samples=store,
        validation=None,
        standardizer=Standardizer(np.mean(x, axis=0, dtype=float), np.std(x, axis=0, dtype=float)),
        targets=targets,
        group_blocks=tuple(tuple(blocks[group::n_groups]) for group in range(n_groups)),
        validation_blocks=(),
        class_weights=None,
        n_submodels=(n_submodels,) * 10,
        outer_steps=(OuterStep(0.7, 0.7),) * 10,
        ensemble=False,
        concentration=10.0,
        hidden_exponent=0.5,
        optimizer=Optimizer("sgd", momentum=0.9),
        schedule=Schedule("constant", 0.1, 10, 0),
        batch_size=8,
        steps=(4,) * n_groups,
        seed=3,
    )
    return replace(spec, **changes)


def rows_of(blocks):
    """Numbers of all rows in some blocks."""
    return np.concatenate([np.arange(block.start, block.stop) for block in blocks])
