from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dask_horn.network import (
    LSTM,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    MissingIndicator,
    Network,
    Periodic,
    PiecewiseLinear,
    Signal,
)

ALL = [MissingIndicator((0, 3)), PiecewiseLinear((2, 0, 3, 1)), Periodic(2)]
HIDDEN = [Dense(6, "relu"), Dense(2)]


def _network(*encodings, n_inputs=4):
    return Network([*encodings, *HIDDEN], n_inputs)


def test_each_appends_its_columns():
    network = _network(*ALL)
    assert network.shapes == ((6,), (12,), (28,), (6,), (2,))
    assert network.unit_axes == {"input": 28, "dense_1": 6, "output": 2}
    assert network.divided_axes == ("dense_1",)
    assert network.parameters["dense_1/W"].shape == (28, 6)
    assert network.n_inputs == 4
    assert network.standardizing == "features"


def test_what_is_not_trained_is_held_by_all_and_told():
    network = _network(*ALL)
    table = network.parameters
    untrained = [name for name, tensor in table.items() if not tensor.trained]
    assert untrained == ["piecewise_linear_1/edges", "periodic_1/frequencies"]
    assert set(untrained) < set(network.shared_tensors)
    assert table.n_untrained == 9 + 8
    assert all(table[name].uses == 0 and not table[name].decays for name in untrained)
    *_, total, last = network.summary(n_submodels=2).splitlines()[:-2]
    assert total.split()[0] == "total"
    assert last.split() == ["not", "trained", "17", "17"]
    assert "not trained" in network._repr_html_()
    assert "not trained" not in _network().summary() + _network()._repr_html_()


def test_learned_frequencies_are_trained_and_do_not_decay():
    frequencies = _network(Periodic(2, learned=True)).parameters["periodic_1/frequencies"]
    assert frequencies.trained
    assert not frequencies.decays


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 40), st.integers(0, 2**32))
def test_edges_are_quantiles_of_what_is_there(n_inputs, bins, n, seed):
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(n, n_inputs)).astype("f4")
    samples[rng.random(samples.shape) < 0.3] = np.nan
    network = _network(PiecewiseLinear(bins), n_inputs=n_inputs)
    values = network.initial_values(0, samples=samples)
    edges = network.parameters.view(values, "piecewise_linear_1/edges").reshape(n_inputs, -1)
    for column, own in zip(samples.T, edges, strict=True):
        found = column[~np.isnan(column)].astype(float)
        expected = [np.quantile(found, t / bins) if found.size else 0 for t in range(bins + 1)]
        np.testing.assert_array_equal(own, np.array(expected, np.float32))


def test_edges_lie_column_by_column():
    network = _network(PiecewiseLinear([2, 0, 1, 3]))
    samples = np.array([[0, 5, 10, 7], [8, 5, 10, np.nan], [4, 5, 30, np.nan]], np.float32)
    values = network.initial_values(0, samples=samples)
    edges = network.parameters.view(values, "piecewise_linear_1/edges")
    assert edges.tolist() == [0, 4, 8, 10, 30, 7, 7, 7, 7]


def test_no_edge_is_a_negative_zero():
    samples = np.full((3, 4), -0.0, np.float32)
    network = _network(PiecewiseLinear(2))
    assert not np.signbit(network.initial_values(0, samples=samples)).any(where=_edges(network))


def _edges(network):
    found = np.zeros(network.parameters.size, bool)
    network.parameters.view(found, "piecewise_linear_1/edges")[:] = True
    return found


def test_without_samples_edges_are_zero_and_all_else_is_the_same():
    network = _network(*ALL)
    plain = network.initial_values(3)
    measured = network.initial_values(3, samples=np.eye(4, dtype=np.float32))
    assert not plain[_edges(network)].any()
    assert measured[_edges(network)].any()
    np.testing.assert_array_equal(plain[~_edges(network)], measured[~_edges(network)])


def test_frequencies_are_normal_and_a_function_of_seed_and_member():
    network = _network(Periodic(2000, sigma=0.3))
    first, again, second, other = (
        network.parameters.view(network.initial_values(*which), "periodic_1/frequencies")
        for which in ((0,), (0,), (1,), (0, 1))
    )
    assert first.mean() == pytest.approx(0, abs=0.02)
    assert first.std() == pytest.approx(0.3, rel=0.03)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("shape", [(5, 3), (5,), (5, 4, 1)])
def test_samples_must_be_rows_of_the_inputs(shape):
    with pytest.raises(ValueError, match="samples must be rows of 4 values, got the shape"):
        _network(*ALL).initial_values(0, samples=np.zeros(shape, np.float32))


def test_a_network_tells_what_it_needs_of_samples():
    assert not _network().measures
    assert not _network().takes_missing
    assert not _network(MissingIndicator(), Periodic()).measures
    assert _network(MissingIndicator()).takes_missing
    assert _network(PiecewiseLinear()).measures
    assert not _network(PiecewiseLinear()).takes_missing


def test_no_columns_may_be_appended():
    nothing = [MissingIndicator(()), PiecewiseLinear((0,) * 4), Periodic((0,) * 4)]
    network = _network(*nothing)
    assert network.parameters == _network().parameters
    assert not network.measures
    assert network.takes_missing


def test_numpy_values_and_lists_make_the_same_layer():
    assert PiecewiseLinear(np.array([3, 0])) == PiecewiseLinear([3, 0]) == PiecewiseLinear((3, 0))
    assert Periodic(np.int64(3), np.float32(0.5)) == Periodic(3, 0.5)
    assert MissingIndicator([np.int32(1)]) == MissingIndicator((1,))
    assert repr(PiecewiseLinear((3, 0))) == "PiecewiseLinear(bins=(3, 0))"


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: PiecewiseLinear(0), ValueError, "bins must be an integer from 1 to 4096, got 0"),
        (lambda: PiecewiseLinear(5000), ValueError, "from 1 to 4096, got 5000"),
        (lambda: PiecewiseLinear(2.5), TypeError, "bins must be an integer"),
        (lambda: PiecewiseLinear("16"), TypeError, "bins must be an integer"),
        (lambda: PiecewiseLinear(None), TypeError, "bins must be an integer"),
        (lambda: PiecewiseLinear([3, -1]), ValueError, r"bins\[1\] must be an integer from 0"),
        (lambda: PiecewiseLinear([3, True]), TypeError, r"bins\[1\] must be an integer from 0"),
        (lambda: Periodic(0), ValueError, "n must be an integer from 1 to 4096, got 0"),
        (lambda: Periodic([1, 5000]), ValueError, r"n\[1\] must be an integer from 0 to 4096"),
        (lambda: Periodic(sigma=0), ValueError, "sigma must be a finite number above 0, got 0"),
        (lambda: Periodic(sigma=np.inf), ValueError, "sigma must be a finite number above 0"),
        (lambda: Periodic(learned=1), TypeError, "learned must be True or False, got 1"),
        (lambda: MissingIndicator(3), TypeError, "columns must be a sequence of integers, or None"),
        (lambda: MissingIndicator("03"), TypeError, "columns must be a sequence of integers"),
        (lambda: MissingIndicator([-1]), ValueError, r"columns\[0\] must be an integer of at"),
        (lambda: MissingIndicator([1, 1]), ValueError, r"each column once, got \(1, 1\)"),
    ],
)
def test_settings_are_checked(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    ("layers", "input_shape", "words"),
    [
        ([Dense(3), PiecewiseLinear()], 4, r"PiecewiseLinear .*before all other .*Dense\(3\)"),
        ([Dropout(0.1), Periodic()], 4, r"Periodic .*before all other layers, .*Dropout\(0.1\)"),
        ([Periodic(), Dense(3), MissingIndicator()], 4, "MissingIndicator encodes the .*Dense"),
        ([Periodic(2), Periodic(3)], 4, r"one Periodic, got a second one, Periodic\(n=3\)"),
        ([PiecewiseLinear(), MissingIndicator()], 4, "first layer, .* after PiecewiseLinear"),
        ([PiecewiseLinear([3, 3])], 4, "bins must be .* each of the 4 input columns, got 2 num"),
        ([MissingIndicator(), Periodic([1] * 8)], 4, "n must be .* each of the 4 .* got 8 numbers"),
        ([MissingIndicator([4])], 4, "columns must be numbers below 4, .* got 4"),
        ([PiecewiseLinear(), Flatten()], (4, 4, 1), "takes rows of features, .*shape .4, 4, 1"),
        ([Periodic(), Conv2D(3, 3)], (4, 4, 1), "Periodic takes rows of features"),
        ([MissingIndicator(), LSTM(3)], (4, 2), r"takes rows of features, got samples .*\(4, 2\)"),
        ([PiecewiseLinear(), Embedding(5, 3)], 4, "an Embedding must be the first layer"),
    ],
)
def test_what_makes_no_sense_is_refused(layers, input_shape, words):
    with pytest.raises(ValueError, match=words):
        Network([*layers, Dense(2)], input_shape)


def test_sub_models_have_all_columns():
    network = _network(*ALL)
    sizes = network.parameters.restrict({"dense_1": 2}).axis_lengths
    for placed in network.placed[:3]:
        assert placed.outputs.restricted(sizes) == placed.outputs
    assert Signal((6,), "input", appended=2).plain == 4
