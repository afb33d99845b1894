"""What is not trained, such as the edges of bins: it keeps its bits through every training."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import dask_horn as horn
from dask_horn.data import Standardizer, Targets

GENERATOR = np.random.default_rng(2)
X = GENERATOR.normal(size=(240, 3)).astype("f4")
y = (X[:, 0] * X[:, 1] > 0).astype(int)
LAYERS = [horn.PiecewiseLinear((5, 2, 0)), horn.Periodic(3, sigma=0.4), horn.Dense(12, "relu")]
NETWORK = horn.Network([*LAYERS, horn.Dense(8, "relu"), horn.Dense(2)], 3)

RUNS = st.fixed_dictionaries(
    {
        "n_groups": st.integers(1, 3),
        "n_submodels": st.sampled_from([1, 2, 3, (4, 2), (2, 1)]),
        "n_rounds": st.integers(1, 4),
        "redraw": st.booleans(),
        "optimizer": st.sampled_from(["sgd", "adamw"]),
        "learning_rate": st.sampled_from([1e-3, 0.02]),
        "weight_decay": st.sampled_from([0.0, 0.3]),
        "clip_norm": st.sampled_from([None, 0.1]),
        "outer_momentum": st.sampled_from([None, 0.9]),
        "outer_learning_rate": st.sampled_from([None, 0.3, 1.7]),
        "random_state": st.integers(0, 2**31),
    }
)


def _untrained(network, parameters):
    """The bits of all that is not trained."""
    table = network.parameters
    return {
        name: table.view(parameters, name).tobytes()
        for name, tensor in table.items()
        if not tensor.trained
    }


def _train(network, **run):
    return horn.train(network, X, y, steps_per_round=5, batch_size=16, **run).model


@settings(max_examples=25, deadline=None)
@given(RUNS)
def test_what_is_not_trained_keeps_its_bits(run):
    model, frequencies = _train(NETWORK, **run), "periodic_1/frequencies"
    began = _untrained(NETWORK, NETWORK.initial_values(run["random_state"]))
    assert _untrained(NETWORK, model.parameters)[frequencies] == began[frequencies]


@settings(max_examples=15, deadline=None)
@given(RUNS, st.booleans())
def test_it_does_from_a_given_model_on(run, learned):
    network = horn.Network([LAYERS[0], horn.Periodic(3, learned=learned), *NETWORK.layers[2:]], 3)
    samples = X - X.mean(axis=0)
    model = horn.Model(
        network,
        network.initial_values(7, samples=samples),
        Standardizer.identity(3),
        Targets.of_classes(np.array([0, 1])),
    )
    after = _train(network, initial=model, **run).parameters
    assert _untrained(network, after) == _untrained(network, model.parameters)
    for name in ["dense_1/W", *["periodic_1/frequencies"] * learned]:
        found, before = (network.parameters.view(v, name) for v in (after, model.parameters))
        assert (found != before).any(), name
