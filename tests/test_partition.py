from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dask_horn.network import Dense, Dropout, Network, ParameterTable, TensorSpec
from dask_horn.partition import Partition, SliceMap, weigh_holders
from tests.network.strategies import networks

SEEDS = st.integers(0, 2**40)
CONCENTRATIONS = st.one_of(st.none(), st.floats(1e-3, 1e4))


def _network(*widths):
    return Network([*(Dense(width, activation="relu") for width in widths), Dense(3)], 5)


@st.composite
def partitions(draw):
    """A network, and a partition of it."""
    network = draw(networks())
    narrowest = min((network.unit_axes[axis] for axis in network.divided_axes), default=6)
    n_submodels = draw(st.integers(1, min(narrowest, 6)))
    partition = Partition.draw(
        network,
        n_submodels,
        draw(SEEDS),
        round=draw(st.integers(0, 1000)),
        group=draw(st.integers(0, 100)),
        concentration=draw(CONCENTRATIONS),
    )
    return network, partition


def _numbered(table):
    """A vector that tells every entry from every other, 1, 2, 3 ...; padding too."""
    return np.arange(1, table.size + 1, dtype=np.float32)


def _cut(table, vector, index_sets):
    """The slice of every tensor, by NumPy's own indexing."""
    return {
        name: tensor[
            np.ix_(
                *(
                    index_sets.get(axis, np.arange(length))
                    for axis, length in zip(table[name].axes, tensor.shape, strict=True)
                )
            )
        ]
        for name, tensor in table.as_dict(vector).items()
    }


# --------------------------------------------------------------------------------- who holds what


@given(partitions())
def test_every_unit_has_one_holder_and_every_holder_a_unit(drawn):
    network, partition = drawn
    submodels = range(partition.n_submodels)
    for axis in network.divided_axes:
        sets = [partition.index_sets(submodel)[axis] for submodel in submodels]
        np.testing.assert_array_equal(
            np.sort(np.concatenate(sets)), np.arange(network.unit_axes[axis])
        )
        assert [len(units) for units in sets] == partition.sizes(axis).tolist()
        assert min(partition.sizes(axis)) >= 1
        assert all((np.diff(units) > 0).all() for units in sets)
        fractions = [partition.fractions(submodel)[axis] for submodel in submodels]
        assert sum(fractions) == pytest.approx(1)
        assert fractions == [len(units) / network.unit_axes[axis] for units in sets]
    for submodel in submodels:
        assert tuple(partition.index_sets(submodel)) == network.divided_axes


@given(SEEDS, st.integers(0, 99), st.integers(0, 99), CONCENTRATIONS)
def test_a_partition_is_settled_by_seed_round_and_group(seed, round, group, concentration):
    def draw(seed, round, group):
        network = _network(40, 40)
        return Partition.draw(
            network, 3, seed, round=round, group=group, concentration=concentration
        )

    partition = draw(seed, round, group)
    draw(seed + 1, round, group)  # nothing that is drawn in between matters
    again = draw(seed, round, group)
    for axis in ("dense_1", "dense_2"):
        np.testing.assert_array_equal(partition.parts[axis], again.parts[axis])
    others = [draw(seed + 1, round, group), draw(seed, round + 1, group)]
    others += [draw(seed, round, group + 1), draw(seed, group + 100, round)]
    for other in others:
        assert any((partition.parts[a] != other.parts[a]).any() for a in partition.parts)
    assert (partition.parts["dense_1"] != partition.parts["dense_2"]).any()


def test_dropout_and_other_axes_change_no_draw():
    plain = Partition.draw(_network(30, 20), 3, seed=1)
    network = Network(
        [Dropout(0.2), Dense(30, activation="tanh"), Dropout(0.5), Dense(20), Dense(7)], 11
    )
    other = Partition.draw(network, 3, seed=1)
    for axis in plain.parts:
        np.testing.assert_array_equal(plain.parts[axis], other.parts[axis])


def test_each_unit_goes_anywhere_and_axes_are_divided_apart():
    network = _network(12, 12)
    draws = [Partition.draw(network, 3, 0, round=r, concentration=None) for r in range(900)]
    first, second = (np.array([d.parts[axis] for d in draws]) for axis in ("dense_1", "dense_2"))
    for parts in (first, second):
        for submodel in range(3):
            share = (parts == submodel).mean(axis=0)
            assert abs(share - 1 / 3).max() < 4.5 * math.sqrt(2 / 9 / 900)
    together = (first == second).mean(axis=0)
    assert abs(together - 1 / 3).max() < 4.5 * math.sqrt(2 / 9 / 900)


# -------------------------------------------------------------------------------------- sizes


@given(st.integers(1, 60), st.integers(1, 60), SEEDS)
def test_without_concentration_sizes_are_as_equal_as_can_be(n_units, n_submodels, seed):
    n_submodels = min(n_submodels, n_units)
    partition = Partition.draw(_network(n_units), n_submodels, seed, concentration=None)
    sizes = partition.sizes("dense_1")
    assert sizes.sum() == n_units
    assert sizes.max() - sizes.min() <= 1


def test_the_smaller_the_concentration_the_more_irregular():
    def spread(concentration):
        """Standard deviation of the sizes, as a share of their mean."""
        sizes = [
            Partition.draw(_network(400), 4, seed, concentration=concentration).sizes("dense_1")
            for seed in range(100)
        ]
        return np.std(sizes) / 100

    spreads = [spread(concentration) for concentration in (None, 1000, 100, 10, 1, 0.1)]
    assert spreads == sorted(spreads)
    assert spreads[0] == 0
    # Of a Dirichlet distribution with 4 parameters c, it is sqrt(3 / (4 c + 1)).
    for concentration, found in zip((1000, 100, 10), spreads[1:4], strict=True):
        assert found == pytest.approx(math.sqrt(3 / (4 * concentration + 1)), rel=0.2)


def test_more_submodels_than_units():
    network = _network(50, 4, 60)
    Partition.draw(network, 4)
    with pytest.raises(
        ValueError, match=r"^n_submodels=5 is more than the 4 units of layer 'dense_2'; use at"
    ):
        Partition.draw(network, 5)


def test_as_many_submodels_as_units():
    partition = Partition.draw(_network(7), 7, seed=3, concentration=0.01)
    assert partition.sizes("dense_1").tolist() == [1] * 7


def test_a_tensor_of_too_many_dimensions_is_told():
    class Volumes(Network):
        """As a convolution over volumes would have it."""

        @property
        def parameters(self):
            axes = (None, None, None, "input", "dense_1")
            weight = TensorSpec("conv3d_1/W", (3, 3, 3, 5, 6), axes, 1, 1, "relu", decays=True)
            return ParameterTable.lay_out([weight])

    network = Volumes([Dense(6, activation="relu"), Dense(3)], 5)
    with pytest.raises(ValueError, match=r"layer 'conv3d_1' .* W has 5 dimensions and may have 4"):
        Partition.draw(network, 2)


# ------------------------------------------------------------------------------------- slices


@given(partitions())
def test_taking_and_putting_back_covers_every_held_entry_once(drawn):
    network, partition = drawn
    table, k = network.parameters, partition.n_submodels
    whole, again = _numbered(table), np.zeros(table.size, np.float32)
    for submodel in range(k):
        places = partition.slice_map(table, submodel)
        part = places.take(whole)
        cut = _cut(table, whole, partition.index_sets(submodel))
        for name, tensor in places.table.as_dict(part).items():
            np.testing.assert_array_equal(tensor, cut[name])
        assert np.count_nonzero(part) == places.table.n_parameters  # no padding of the parent's
        places.put(part, again)
    holders = partition.holders(table)
    np.testing.assert_array_equal(again, holders * whole)
    assert set(np.unique(holders)) <= {0, 1, k}


@given(partitions())
def test_holders_are_those_who_hold_every_unit_of_an_entry(drawn):
    network, partition = drawn
    table = network.parameters
    count = np.zeros(table.size, np.float32)
    for name, tensor in table.as_dict(count).items():
        for index in np.ndindex(tensor.shape):
            of_units = [
                partition.parts[axis][unit]
                for axis, unit in zip(table[name].axes, index, strict=True)
                if axis in partition.parts
            ]
            if not of_units:
                tensor[index] = partition.n_submodels
            else:
                tensor[index] = len(set(of_units)) == 1
    np.testing.assert_array_equal(partition.holders(table), count)


@given(partitions(), SEEDS)
def test_holders_are_weighed_by_group_and_submodel(drawn, seed):
    network, first = drawn
    table, k = network.parameters, first.n_submodels
    second = Partition.draw(network, k, seed)
    found = {3: first, 0: second, 7: first}  # group 1 has not arrived
    weights = {(group, i): 10.0 * group + i + 1 for group in (0, 3, 7) for i in range(k)}
    count = weigh_holders(table, found, weights)
    expected = np.zeros(table.size, np.float32)
    for (group, submodel), weight in weights.items():
        found[group].slice_map(table, submodel).count(expected, weight)
    np.testing.assert_array_equal(count, expected)
    with pytest.raises(KeyError):
        weigh_holders(table, {0: first}, weights)


def test_slice_maps_are_kept_and_do_not_travel():
    network = _network(90, 80)
    partition, table = Partition.draw(network, 2), network.parameters
    before = pickle.dumps(partition)
    places = partition.slice_map(table, 1)
    assert partition.slice_map(_network(90, 80).parameters, 1) is places
    assert partition.slice_map(table, 0) is not places
    assert pickle.dumps(partition) == before
    again = pickle.loads(before).slice_map(table, 1)
    np.testing.assert_array_equal(again.units, places.units)


@st.composite
def tables(draw):
    """Tensors of one to four dimensions, their axes divided, whole or no unit axes, any order."""
    lengths = {"a": 7, "b": 4, "whole": 3}
    tensors = []
    for i in range(draw(st.integers(1, 5))):
        axes = draw(st.lists(st.sampled_from(["a", "b", "whole", None]), min_size=1, max_size=4))
        shape = tuple(draw(st.integers(1, 9)) if x is None else lengths[x] for x in axes)
        tensors.append(TensorSpec(f"t{i}", shape, tuple(axes), 1, 1, "relu", decays=True))
    # A restriction must know its axes.
    for axis in ("a", "b"):
        tensors.append(TensorSpec(axis, (lengths[axis],), (axis,), 1, 1, "relu", decays=False))
    return ParameterTable.lay_out(draw(st.permutations(tensors)))


@given(tables(), st.data())
def test_slices_of_tensors_of_any_shape(table, data):
    index_sets = {
        axis: np.array(sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1))), np.int64)
        for axis, n in (("a", 7), ("b", 4))
    }
    places = SliceMap.build(table, index_sets)
    whole = _numbered(table)
    part = places.take(whole)
    expected = _cut(table, whole, index_sets)
    for name, tensor in places.table.as_dict(part).items():
        np.testing.assert_array_equal(tensor, expected[name])

    into, count = whole.copy(), np.zeros_like(whole)
    places.put(part, into, -1.0)  # takes out what was taken, and nothing else
    places.count(count, 2.5)
    inside = np.isin(whole, part[part > 0])
    np.testing.assert_array_equal(into, np.where(inside, 0, whole))
    np.testing.assert_array_equal(count, np.where(inside, 2.5, 0))


def test_a_convolution_and_an_lstm():
    table = ParameterTable.lay_out(
        TensorSpec(name, shape, axes, 1, 1, "relu", decays=True)
        for name, shape, axes in (
            ("conv/W", (3, 3, 2, 4), (None, None, "input", "conv")),
            ("lstm/W", (4, 4, 5), ("conv", None, "lstm")),
            ("lstm/U", (5, 4, 5), ("lstm", None, "lstm")),
            ("lstm/b", (4, 5), (None, "lstm")),
        )
    )
    places = SliceMap.build(table, {"conv": np.array([0, 3]), "lstm": np.array([1, 2, 4])})
    assert {name: tensor.shape for name, tensor in places.table.items()} == {
        "conv/W": (3, 3, 2, 2),
        "lstm/W": (2, 4, 3),
        "lstm/U": (3, 4, 3),
        "lstm/b": (4, 3),
    }
    whole = _numbered(table)
    part = places.table.as_dict(places.take(whole))
    u = table.view(whole, "lstm/U")
    assert part["lstm/U"][1, 3, 2] == u[2, 3, 4]
    conv = table.view(whole, "conv/W")
    np.testing.assert_array_equal(part["conv/W"], conv[..., [0, 3]])


def test_vectors_from_another_process():
    network = _network(9, 8)
    table = network.parameters
    places = Partition.draw(network, 2).slice_map(table, 1)
    whole = _numbered(table)

    def received(array):
        """Read-only, and one byte off any alignment."""
        return np.frombuffer(b"\0" + array.tobytes(), np.float32, offset=1)

    part = places.take(received(whole))
    np.testing.assert_array_equal(part, places.take(whole))
    into, expected = np.zeros((2, table.size), np.float32)
    places.put(received(part), into, 3.0)
    places.put(part, expected, 3.0)
    np.testing.assert_array_equal(into, expected)


def test_a_slice_has_the_tables_own_order_of_tensors():
    network = _network(6, 5)
    partition = Partition.draw(network, 2)
    table = partition.slice_map(network.parameters, 0).table
    sizes = {axis: int(partition.sizes(axis)[0]) for axis in partition.parts}
    assert table == network.parameters.restrict(sizes)
    assert [replace(t, shape=(), offset=0) for t in table.tensors] == [
        replace(t, shape=(), offset=0) for t in network.parameters.tensors
    ]


@pytest.mark.parametrize("n_submodels", [0, -1, 4])
def test_parts_are_joined_to_at_most_as_many_as_there_are(n_submodels):
    partition = Partition(3, {"dense_1": np.array([0, 1, 2])})
    with pytest.raises(ValueError, match=f"from 1 to the 3 parts .* got {n_submodels}"):
        partition.joined(n_submodels)


def test_a_partition_is_shown_in_a_line():
    equal = Partition.draw(_network(800, 802), 4, concentration=None)
    assert repr(equal) == (
        "Partition(4 sub-models; dense_1: 800 units, 200 each; dense_2: 802 units, 200 to 201 each)"
    )
    many = Partition.draw(_network(*[8] * 30), 2)
    assert repr(many).endswith("; … 26 more)")
    assert repr(Partition.draw(_network(), 1)) == "Partition(1 sub-model)"
