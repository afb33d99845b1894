"""Runs of a few samples, laid out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dask_horn.cluster import LocalExecutor
from dask_horn.data import Block, Standardizer, Targets, spool
from dask_horn.network import LOSSES
from dask_horn.program import Optimizer
from dask_horn.training.plan.options import TrainingOptions
from dask_horn.training.plan.prepare import Given, Settled, new_run_id, prepare_data
from dask_horn.training.plan.prepare import make_spec as settle
from dask_horn.training.plan.spec import Devices, OuterStep, RoundPlan, RunSpec, Schedule

RUN = "run-of-the-tests"
N_ROUNDS = 10


def make_spec(network, x, y, *, n_groups=1, n_submodels=1, block_rows=5, steps=None, **changes):
    """A run over all rows, of ten equal rounds, merged into one parent.

    Group g has every n_groups-th block of `block_rows` rows and takes `steps[g]` steps, or 4.
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
    groups = tuple(tuple(blocks[group::n_groups]) for group in range(n_groups))
    plan = RoundPlan(
        n_submodels=n_submodels,
        groups_of=(tuple(range(n_groups)),),
        group_blocks=groups,
        steps=steps or (4,) * n_groups,
        rate_factor=1.0,
        outer_step=OuterStep(0.7, 0.7),
    )
    spec = RunSpec(
        run=RUN,
        network=network,
        samples=store,
        validation=None,
        standardizer=Standardizer(np.mean(x, axis=0, dtype=float), np.std(x, axis=0, dtype=float)),
        targets=targets,
        rounds=(plan,) * N_ROUNDS,
        validation_blocks=(),
        class_weights=None,
        ensemble=False,
        merge_rule="nesterov",
        device="cpu",
        scoring_device="cpu",
        precision="float32",
        redraw=True,
        concentration=10.0,
        hidden_exponent=0.5,
        optimizer=Optimizer("sgd", momentum=0.9),
        schedule=Schedule("constant", 0.1, N_ROUNDS, 0),
        batch_size=8,
        seed=3,
    )
    return replace(spec, **changes)


def rows_of(blocks):
    """Numbers of all rows in some blocks."""
    return np.concatenate([np.arange(block.start, block.stop) for block in blocks])


def settled(network, x, y=None, **settings):
    """What `train` settles before it begins."""
    options, executor = TrainingOptions.of(**settings), LocalExecutor("sync")
    with executor.scheduling():
        data = prepare_data(new_run_id(), network, Given(x, y), options, Settled())
    return settle(network, data, options, Settled(), Devices())
