from __future__ import annotations

import numpy as np
import pytest

from dask_horn.network import Dense, Embedding, Network, Signal


def test_numpy_values_make_the_same_layer():
    layer = Embedding(np.int64(65), np.int32(8))
    assert layer == Embedding(65, 8)
    assert type(layer.n_tokens) is int


def test_tensor():
    (table,) = Embedding(65, 8, name="characters").tensors(Signal((20,), "input"))
    assert (table.name, table.shape) == ("characters/E", (65, 8))
    assert (table.axes, table.source) == ((None, "characters"), "input")
    assert table.decays


def test_it_starts_with_variance_one():
    network = Network([Embedding(1000, 50), Dense(2)], 3)
    first = network.parameters.view(network.initial_values(0), "embedding_1/E")
    assert first.mean() == pytest.approx(0, abs=0.02)
    assert first.std() == pytest.approx(1, abs=0.02)


def test_samples_must_be_steps_of_one_token():
    with pytest.raises(
        ValueError, match=r"takes samples of shape \(steps,\), got the shape \(7, 5"
    ):
        Embedding(65, 8, name="characters").outputs(Signal((7, 5), "input"))


@pytest.mark.parametrize("arguments", [(0, 8), (65, 0), (2**24 + 1, 8)])
def test_sizes_are_checked(arguments):
    with pytest.raises(ValueError, match="must be"):
        Embedding(*arguments)


def test_sizes_are_integers():
    with pytest.raises(TypeError, match="n_tokens must be an integer from 1 to 16777216, got '65'"):
        Embedding("65", 8)
