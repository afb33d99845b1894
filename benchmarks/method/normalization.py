"""Whether normalizing layers and dividing get on, and what a population must be measured of.

python -m benchmarks.method.normalization --data FOLDER
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dask_horn as horn
from benchmarks.datasets import mnist, table
from benchmarks.method.fixed_partition import narrow_network, votes
from benchmarks.method.scores import accuracy, negative_log_likelihood
from benchmarks.method.study import Record, Settings, Study, grouped, mean_and_spread
from benchmarks.report import markdown_table
from dask_horn.cluster import current_executor
from dask_horn.network import Layer, Network
from dask_horn.partition import Partition
from dask_horn.program import submodel_scales
from dask_horn.training import Known, TrainingOptions
from dask_horn.training.plan.prepare import make_spec, prepare_data
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.tasks.division import first_values, partition_of
from dask_horn.training.tasks.merge import ParentState, put_group, step_parent
from dask_horn.training.tasks.statistics import population_of
from dask_horn.training.tasks.submodel import train_submodel

_N_TRAIN, _N_HELD = 20_000, 10_000  # of the 60,000: the first train, the last validate
_N_ROUNDS, _N_SEEDS = 6, 2
_WIDTH = 400

#: How runs are divided, by what the table says of it.
DIVISIONS = {
    "undivided": {"n_submodels": 1},
    "2, joined at the end": {"n_submodels": 2},
    "4, joined at the end": {"n_submodels": 4},
    "4, never joined": {"n_submodels": [4]},
    "4, redrawn": {"n_submodels": 4, "redraw": True},
}
#: Runs whose populations are measured in several ways: sub-models in each group, and groups.
MERGED = {
    "1 group of 4": {"n_groups": 1, "n_submodels": [4]},
    "1 group of 4, redrawn": {"n_groups": 1, "n_submodels": [4], "redraw": True},
    "4 groups, undivided": {"n_groups": 4, "n_submodels": [1]},
    "2 groups of 4, redrawn": {"n_groups": 2, "n_submodels": [4], "redraw": True},
}
#: Divisions into parts that become narrow: of 256 units 64 or 16 are left.
NARROW: dict[str, int | list[int]] = {
    "undivided": 1,
    "4, joined at the end": 4,
    "4, never joined": [4],
    "16, joined at the end": 16,
    "16, never joined": [16],
}
_NARROW_WIDTH, _N_LETTERS = 256, 16_000  # rows of 20,000 that train; the rest test
_NORMS = {"none": None, "BatchNorm": horn.BatchNorm, "LayerNorm": horn.LayerNorm}
_POPULATIONS = ("anew", "submodels", "before")

Vector = NDArray[np.float32]


def network_with(
    norm: str, width: int = _WIDTH, n_inputs: int = 784, n_classes: int = 10
) -> Network:
    """Two hidden relu layers, a normalization between each product and its activation."""
    kind = _NORMS[norm]
    hidden: list[Layer] = []
    for _ in range(2):
        if kind is None:
            hidden.append(horn.Dense(width, activation="relu"))
        else:
            hidden += [horn.Dense(width, use_bias=False), kind(activation="relu")]
    return Network([*hidden, horn.Dense(n_classes)], input_shape=n_inputs)


def work(folder: Path, settings: Settings) -> dict[str, Any]:
    """Train once."""
    if settings["part"] == "narrow":
        return _narrow(folder, settings)
    X, y = mnist(folder, "train")
    common = {"n_rounds": settings["rounds"], "random_state": settings["seed"]}
    if settings["part"] == "populations":
        options = TrainingOptions.of(**MERGED[settings["merged"]], **common)
        models = of_each_population(network_with("BatchNorm"), X[:_N_TRAIN], y[:_N_TRAIN], options)
        return {
            f"{what} {name}": value
            for name, model in models.items()
            for what, value in _scores(folder, model).items()
        }
    network = network_with(settings["norm"])
    division = DIVISIONS[settings["division"]]
    result = horn.train(network, X[:_N_TRAIN], y[:_N_TRAIN], **division, **common)
    return _scores(folder, result.model)


def _narrow(folder: Path, settings: Settings) -> dict[str, float]:
    """Train on the letters; score the parent, and the vote of parts that were never joined."""
    X, y = table(folder, "letter_recognition")
    network = network_with(settings["norm"], _NARROW_WIDTH, 16, 26)
    n_submodels, seed = NARROW[settings["division"]], settings["seed"]
    model = horn.train(
        *(network, X[:_N_LETTERS], y[:_N_LETTERS]),
        n_submodels=n_submodels,
        n_rounds=settings["rounds"],
        random_state=seed,
    ).model
    predictors: dict[str, horn.Model | horn.Ensemble] = {"test": model}
    if isinstance(n_submodels, list) and not network.statistics:
        predictors["vote"] = votes(model, Partition.draw(network, n_submodels[0], seed))
    return {
        name: round(100 * float(np.mean(one.predict(X[_N_LETTERS:]) == y[_N_LETTERS:])), 3)
        for name, one in predictors.items()
    }


def _scores(folder: Path, model: horn.Model | horn.Ensemble) -> dict[str, float]:
    X, y = mnist(folder, "train")
    X_test, y_test = mnist(folder, "t10k")
    held, test = model.predict_proba(X[-_N_HELD:]), model.predict_proba(X_test)
    return {
        "validation": round(100 * accuracy(y[-_N_HELD:], held), 3),
        "test": round(100 * accuracy(y_test, test), 3),
        "nll": round(negative_log_likelihood(y_test, test), 4),
    }


def of_each_population(
    network: Network, X: Any, y: Any, options: TrainingOptions
) -> dict[str, horn.Model]:
    """Train as `dask_horn.train` does; return the last parent with each of its populations.

    ``anew``: measured of the parent, as the library does. ``submodels``: measured of each sub-model
    at the end of its last round, and averaged over those that hold a unit, which is the best that
    running means in the sub-models could come to. ``before``: measured of the parent a round ago.
    """
    executor = current_executor()
    with executor.running(()):
        data = prepare_data(network, X, y, None, options, Known(), executor, None)
        spec = make_spec(network, data, options, Known())
    parent = ParentState.start(first_values(spec, 0), momentum=spec.has_outer_momentum)
    for round in range(options.n_rounds):
        before = parent
        parent, of_submodels = _trained(spec, parent, round)
    populations = {
        "anew": population_of(spec, 0, parent.parameters),
        "submodels": of_submodels,
        "before": population_of(spec, 0, before.parameters),
    }
    return {
        name: horn.Model(
            network, parent.parameters, spec.standardizer, spec.targets, statistics=population
        )
        for name, population in populations.items()
    }


def _trained(spec: RunSpec, parent: ParentState, round: int) -> tuple[ParentState, Vector]:
    """One round: the parent after it, and the mean population of its sub-models."""
    table, statistics = spec.network.parameters, spec.network.statistics
    is_last = round == len(spec.rounds) - 1
    total, count = np.zeros(statistics.size, np.float32), np.zeros(statistics.size, np.float32)
    partitions, sums = [], []
    for group in range(spec.rounds[round].n_groups):
        partition, trained = partition_of(spec, round, group), []
        for submodel in range(partition.n_submodels):
            start = partition.slice_map(table, submodel).take(parent.parameters)
            trained.append(train_submodel(spec, start, partition, round, group, submodel))
            if is_last:
                own = start + trained[-1].delta
                places = partition.slice_map(statistics, submodel)
                places.put(_population_of_part(spec, own, partition, submodel), total)
                places.count(count)
        partitions.append(partition)
        sums.append(put_group(table, partition, trained))
    merged = dataclasses.replace(
        sums[0],
        total=np.sum([one.total for one in sums], axis=0),
        reports=tuple(report for one in sums for report in one.reports),
    )
    after = step_parent(table, parent, merged, partitions, spec.rounds[round].outer_step)
    return after, total / np.maximum(count, 1)


def _population_of_part(spec: RunSpec, own: Vector, partition: Partition, submodel: int) -> Vector:
    """Measure a sub-model as the network that it is: its scales within its weights."""
    table = partition.table_of(spec.network.parameters, submodel)
    scales = submodel_scales(spec.network, partition.fractions(submodel), spec.hidden_exponent)
    for name, scale in scales.items():
        table.view(own, name)[...] *= scale
    narrow = narrow_network(spec.network, partition, submodel)
    return population_of(dataclasses.replace(spec, network=narrow), 0, own)


def render(records: Sequence[Record]) -> str:
    """Write a table of accuracies and one of populations."""
    parts = {part[0]: runs for part, runs in grouped(records, "part").items()}
    accuracies = [
        (
            division,
            *(mean_and_spread(runs[norm, division], "validation") for norm in _NORMS),
            *(mean_and_spread(runs[norm, division], "test") for norm in _NORMS),
            *(mean_and_spread(runs[norm, division], "nll", 3) for norm in _NORMS),
        )
        for runs in [grouped(parts["accuracy"], "norm", "division")]
        for division in DIVISIONS
    ]
    populations = [
        (
            merged,
            *(mean_and_spread(runs, f"test {name}") for name in _POPULATIONS),
            *(mean_and_spread(runs, f"nll {name}", 3) for name in _POPULATIONS),
        )
        for (merged,), runs in grouped(parts["populations"], "merged").items()
    ]
    narrow = [
        (
            division,
            *(mean_and_spread(runs[norm, division], "test") for norm in _NORMS),
            *(
                mean_and_spread(runs[norm, division], "vote") if "never" in division else ""
                for norm in ("none", "LayerNorm")
            ),
        )
        for runs in [grouped(parts["narrow"], "norm", "division")]
        for division in NARROW
    ]
    return "\n\n".join(
        (
            _INTRODUCTION,
            markdown_table(_HEADER, accuracies),
            _OF_POPULATIONS,
            markdown_table(_HEADER_OF_POPULATIONS, populations),
            _OF_NARROW,
            markdown_table(_HEADER_OF_NARROW, narrow),
        )
    )


_HEADER = (
    "sub-models",
    *(f"validation %, {norm}" for norm in _NORMS),
    *(f"test %, {norm}" for norm in _NORMS),
    *(f"NLL, {norm}" for norm in _NORMS),
)
_HEADER_OF_POPULATIONS = (
    "divided into",
    *(f"test %, {name}" for name in ("anew", "sub-models'", "a round ago")),
    *(f"NLL, {name}" for name in ("anew", "sub-models'", "a round ago")),
)
_HEADER_OF_NARROW = (
    "sub-models",
    *(f"test %, {norm}" for norm in _NORMS),
    *(f"vote of the parts, %, {norm}" for norm in ("none", "LayerNorm")),
)
_INTRODUCTION = (
    f"MNIST, 784-{_WIDTH}-{_WIDTH}-10, relu, no dropout, {_N_TRAIN:,} training images, "
    f"{_N_ROUNDS} rounds of one pass, {_N_SEEDS} seeds, all else default; a normalizing layer "
    "stands between each product and its activation. One group. Joined at the end is the default."
)
_OF_POPULATIONS = (
    "The same network with BatchNorm, the last round divided as all others; each parent predicts "
    "by three populations. Anew: measured of the merged parent, which is what the library does. "
    "Sub-models': measured of each sub-model at the end of its round and averaged over those that "
    "hold a unit, as if running means had been kept and merged. A round ago: of the parent that "
    "the last round started from."
)

_OF_NARROW = (
    f"Narrow parts: letter_recognition, 16-{_NARROW_WIDTH}-{_NARROW_WIDTH}-26, {_N_ROUNDS} rounds. "
    "The vote is the mean of the probabilities of parts that were never joined, each normalized "
    "over its own units as it was trained; the parent of the same parts normalizes over all."
)

STUDY = Study(
    name="normalization",
    title="Normalizing layers",
    runs=[
        run | {"rounds": _N_ROUNDS, "seed": seed}
        for seed in range(_N_SEEDS)
        for run in (
            *(
                {"part": "accuracy", "norm": norm, "division": division}
                for division in DIVISIONS
                for norm in _NORMS
            ),
            *({"part": "populations", "merged": merged} for merged in MERGED),
            *(
                {"part": "narrow", "norm": norm, "division": division}
                for division in NARROW
                for norm in _NORMS
            ),
        )
    ],
    work=work,
    render=render,
)  # fmt: skip

if __name__ == "__main__":
    STUDY.command()()
