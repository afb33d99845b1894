"""Models of each kind of target that nobody has trained, and what the oracle makes of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dask_horn import Dense, Dropout, Ensemble, Model, Network
from dask_horn.data import Standardizer, Targets
from tests import oracle

N_FEATURES = 5
GENERATOR = np.random.default_rng(3)
X = GENERATOR.normal(3, 2, (70, N_FEATURES))


def make_model(kind="classes", seed=0, labels=("ant", "bee", "cow")):
    """A model that nobody has trained, of each kind of target."""
    targets = {
        "classes": lambda: Targets.of_classes(np.array(labels)),
        "labels": lambda: Targets.of_labels(4),
        "value": lambda: Targets.of_values(np.array([7.0]), np.array([3.0]), flat=True),
        "values": lambda: Targets.of_values(np.array([7.0, -1.0]), np.array([3.0, 0.1])),
    }[kind]()
    losses = {"classes": "cross_entropy", "labels": "binary_cross_entropy"}
    network = Network(
        [Dense(8, activation="tanh"), Dropout(0.5), Dense(targets.n_outputs)],
        N_FEATURES,
        losses.get(kind, "squared_error"),
    )
    standardizer = Standardizer(np.full(N_FEATURES, 3.0), np.full(N_FEATURES, 2.0))
    return Model(network, network.initial_values(seed), standardizer, targets)


def make_ensemble(kind="classes"):
    return Ensemble(tuple(make_model(kind, seed) for seed in range(3)))


KINDS = ("classes", "labels", "value", "values")
MAKERS = pytest.mark.parametrize("make", [make_model, make_ensemble], ids=["model", "ensemble"])


def expected_outputs(model):
    """What the oracle makes of X: the network's outputs before the loss, in float64."""
    parameters = model.network.parameters.as_dict(model.parameters.astype(np.float64))
    standardized = (X - model.standardizer.mean) / model.standardizer.scale
    return oracle.forward(model.network, parameters, standardized)[0]


def edit_attributes(location, change):
    """Change what a saved model's attributes say."""
    file = location / "zarr.json"
    content = json.loads(file.read_text())
    change(content["attributes"]["dask_horn"])
    file.write_text(json.dumps(content))
