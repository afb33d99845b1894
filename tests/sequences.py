"""Sequences of several lengths, padded, and models of them that nobody has trained."""

from __future__ import annotations

import numpy as np

from dask_horn import LSTM, Dense, Ensemble, Model, Network
from dask_horn.data import Standardizer, Targets

N, STEPS, CHANNELS = 60, 6, 3
MASK = -5.0
RNG = np.random.default_rng(7)
LENGTHS = RNG.integers(1, STEPS + 1, N)
COUNTED = np.arange(STEPS) < LENGTHS[:, None]
X = np.where(COUNTED[:, :, None], RNG.normal(3, 2, (N, STEPS, CHANNELS)), MASK)
#: A class for each step, which the sum of the channels so far tells.
SUMS = np.where(COUNTED, (X - 3).sum(axis=2), 0).cumsum(axis=1)
WORDS = np.array(["falls", "rests", "soars"])[np.digitize(SUMS, (-3, 3))]

KINDS = ("classes", "value", "values")


def make_model(kind="classes", seed=0, **layer):
    """A model that predicts for each step."""
    targets = {
        "classes": lambda: Targets.of_classes(np.array(["falls", "rests", "soars"]), STEPS),
        "value": lambda: Targets.of_values(np.array([7.0]), np.array([3.0]), True, STEPS),
        "values": lambda: Targets.of_values(np.array([7.0, -1]), np.array([3, 0.1]), False, STEPS),
    }[kind]()
    loss = "cross_entropy" if kind == "classes" else "squared_error"
    lstm = LSTM(8, return_sequences=True, mask_value=MASK)
    network = Network([lstm, Dense(targets.n_outputs)], (STEPS, CHANNELS), loss)
    ones = np.ones(network.n_inputs)
    return Model(network, network.initial_values(seed), Standardizer(3 * ones, 2 * ones), targets)


def make_ensemble(kind="classes"):
    """Three such models."""
    return Ensemble(tuple(make_model(kind, seed) for seed in range(3)))
