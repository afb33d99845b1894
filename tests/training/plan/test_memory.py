"""What a run asks of its devices: kernels of each, and memory where they have their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dask_horn.network import Dense, Network
from dask_horn.training.plan.memory import footprint_of, kernels_of, memory_needed
from dask_horn.training.tasks.division import largest_sizes, partition_of
from tests.training.specs import make_spec

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(600, 50)).astype("f4"), RNG.integers(3, size=600)
NETWORK = Network([Dense(64, "relu"), Dense(40, "tanh"), Dense(3)], 50)


@pytest.fixture
def spec():
    return make_spec(NETWORK, X, Y, n_groups=2, n_submodels=4)


def test_the_largest_sizes_are_those_of_some_submodels(spec):
    partitions = [partition_of(spec, 3, group) for group in range(2)]
    for axis, size in largest_sizes(spec, 3).items():
        assert size == max(part.sizes(axis).max() for part in partitions)
    undivided = make_spec(NETWORK, X, Y)
    assert largest_sizes(undivided, 0) == {"dense_1": 64, "dense_2": 40}


def test_a_footprint_has_room_for_parameters_states_and_windows(spec):
    sizes = largest_sizes(spec, 0)
    found = footprint_of(spec, spec.rounds[0], sizes)
    table = NETWORK.parameters.restrict(sizes)
    assert found.submodel >= 4 * 2 * table.size  # and momentum
    assert found.windows == 2 * 300 * (50 * 4 + 4)
    assert found.of(5, 2) == 5 * found.submodel + 2 * found.windows
    more = footprint_of(replace(spec, batch_size=64), spec.rounds[0], sizes)
    assert more.submodel > found.submodel
    assert more.windows == found.windows


def test_a_device_of_its_own_needs_no_arena_on_the_host(spec, fake):
    assert memory_needed(replace(spec, device="fake")) < memory_needed(spec)


def test_each_device_gets_ready_what_it_runs(spec, fake):
    spec = replace(spec, validation=spec.samples)
    (cpu,) = kernels_of(spec)
    mixed = {one.device: set(one.names) for one in kernels_of(replace(spec, device="fake"))}
    assert set(mixed) == {"cpu", "fake"}
    assert mixed["cpu"] | mixed["fake"] == set(cpu.names)
    assert "store" in mixed["cpu"] and "cross_entropy" in mixed["fake"]
    both = replace(spec, device="fake", scoring_device="fake")
    assert {one.device: set(one.names) for one in kernels_of(both)} == {
        "cpu": set(),  # merges, which no program does
        "fake": set(cpu.names),
    }
