from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given

import dask_horn.network
from dask_horn.network import Dense, Dropout, Layer, Network, Signal
from dask_horn.partition import Partition
from tests.network.strategies import networks


def test_names_shapes_and_axes():
    network = Network(
        [
            Dropout(0.2),
            Dense(7, activation="relu"),
            Dropout(0.5),
            Dense(5, activation="relu", name="narrow"),
            Dense(6, activation="relu"),
            Dense(3),
        ],
        input_shape=4,
    )
    assert [placed.layer.name for placed in network.placed] == [
        "dropout_1",
        "dense_1",
        "dropout_2",
        "narrow",
        "dense_3",
        "output",
    ]
    assert network.shapes == ((4,), (7,), (7,), (5,), (6,), (3,))
    axes = {"input": 4, "dense_1": 7, "narrow": 5, "dense_3": 6, "output": 3}
    assert network.unit_axes == axes
    assert list(network.unit_axes) == list(axes)
    assert network.divided_axes == ("dense_1", "narrow", "dense_3")
    assert (network.n_inputs, network.n_outputs) == (4, 3)


def test_naming_one_layer_renames_no_other():
    plain = Network([Dense(2), Dense(2), Dense(2)], 3)
    named = Network([Dense(2, name="first"), Dense(2), Dense(2)], 3)
    assert plain.divided_axes == ("dense_1", "dense_2")
    assert named.divided_axes == ("first", "dense_2")


@pytest.mark.parametrize("first", [[], [Dropout(0.1)]])
def test_a_first_dense_takes_samples_of_several_dimensions_as_rows(first):
    network = Network([*first, Dense(5, activation="relu"), Dense(3)], (4, 4, 2))
    assert network.input_shape == (4, 4, 2)
    assert network.n_inputs == network.unit_axes["input"] == 32
    assert network.parameters["dense_1/W"].shape == (32, 5)


def test_a_network_without_hidden_layers():
    network = Network([Dense(3)], 4)
    assert network.divided_axes == ()
    assert network.unit_axes == {"input": 4, "output": 3}


def test_layers_and_shape_may_be_any_sequence():
    network = Network((layer for layer in [Dense(3)]), np.array([2, 2]))
    assert network == Network([Dense(3)], (2, 2))
    assert hash(network) == hash(Network([Dense(3)], (2, 2)))
    assert Network([Dense(3)], np.int32(4)) == Network([Dense(3)], [4])


@given(networks())
def test_json_brings_the_same_network_back(network):
    assert Network.from_json(network.to_json()) == network


@given(networks())
def test_pickle_and_repr_bring_the_same_network_back(network):
    assert network.parameters == pickle.loads(pickle.dumps(network)).parameters
    assert eval(repr(network), dict(vars(dask_horn.network))) == network


@given(networks())
def test_summary_has_a_line_per_layer_and_the_total(network):
    heading, *lines = network.summary().splitlines()
    if network.parameters.n_untrained:
        assert lines.pop().split() == ["not", "trained", f"{network.parameters.n_untrained:,}"]
    total = lines.pop()
    assert heading.split() == ["layer", "what", "output", "shape", "parameters"]
    assert [line.split()[0] for line in lines] == [placed.layer.name for placed in network.placed]
    assert total.split() == ["total", f"{network.parameters.n_parameters:,}"]


@given(networks())
def test_what_one_sub_model_holds_is_all_there_is(network):
    whole = network.division(1)
    assert whole.n_parameters == network.parameters.n_parameters == sum(whole.parameters.values())
    assert whole.share == whole.together == 1


def test_sub_models_hold_what_partitions_give_them():
    layers = [Dense(37, "relu"), Dropout(0.5), Dense(23, "relu"), Dense(3)]
    network = Network(layers, input_shape=5)
    for n_submodels in (2, 3, 5):
        partition = Partition.draw(network, n_submodels, concentration=None)
        tables = [partition.table_of(network.parameters, i) for i in range(n_submodels)]
        held = np.count_nonzero(partition.holders(network.parameters))
        division = network.division(n_submodels)
        assert division.n_parameters == pytest.approx(
            np.mean([table.n_parameters for table in tables]), rel=0.01
        )
        assert division.together == pytest.approx(held / network.parameters.n_parameters, rel=0.01)


def test_the_summary_has_a_column_for_each_division():
    network = Network([Dense(8, "relu"), Dense(3)], input_shape=4)
    heading, first, _, total, share, together = network.summary(n_submodels=[2, 4]).splitlines()
    assert heading.split()[-6:] == ["each", "of", "2", "each", "of", "4"]
    assert first.split()[-3:] == ["40", "20", "10"]
    assert total.split() == ["total", "67", "35", "19"]
    assert share.split() == ["share", "52.2%", "28.4%"]
    assert together.split() == ["together", "100.0%", "100.0%"]
    assert network.summary(2) == network.summary((2,))


def test_a_network_is_not_divided_into_more_than_it_has_units():
    network = Network([Dense(8, "relu"), Dense(3)], input_shape=4)
    with pytest.raises(ValueError, match="n_submodels must be an integer from 1 to 8, got 9"):
        network.summary(n_submodels=9)


def test_deep_networks_are_shown_in_a_line():
    network = Network([*(Dense(64, "relu") for _ in range(80)), Dense(3)], input_shape=(2, 4))
    assert network.widths == "2×4-64-64-64-64-…-64-3"
    assert "Dense(64, activation='relu'), … 75 more layers …, Dense" in repr(network)
    assert len(repr(network)) < 300
    assert Network([Dense(3)], 4).widths == "4-3"


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("dense", r"^layers must be a sequence of layers such as \[Dense\(10\)\], got 'dense'"),
        (Dense(3), r"^layers must be a sequence .* got Dense\(3\)$"),
        ([Dense(3), 10], r"^layers\[1\] must be a layer such as Dense\(10\), got 10$"),
        ([Dense], r"^layers\[0\] must be a layer"),
    ],
)
def test_layers_must_be_layers(layers, message):
    with pytest.raises(TypeError, match=message):
        Network(layers, 4)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "^layers must have at least the output layer"),
        ([Dense(3), Dropout(0.5)], r"^the last of the layers must be a Dense .*got Dropout\(0.5\)"),
        ([Dense(3, "relu")], r"activation 'linear', because the loss .* activation='relu'\)$"),
        ([Dense(3, name="logits")], "^the last layer is always named 'output', got .*'logits'"),
        ([Dense(3, name="a"), Dense(4, name="a"), Dense(2)], "different names, got 'a' 2 times"),
        ([Dense(3, name="dense_2"), Dense(4), Dense(2)], "different names, got 'dense_2' 2"),
        (
            [Dense(3, name="input"), Dense(2)],
            "cannot be named 'input'",
        ),
        (
            [Dropout(0.1, name="output"), Dense(2)],
            "cannot be named 'output'",
        ),
    ],
)
def test_layers_must_make_a_network(layers, message):
    with pytest.raises(ValueError, match=message):
        Network(layers, 4)


def test_the_output_may_be_named_output():
    assert Network([Dense(3, name="output")], 4).n_outputs == 3


@pytest.mark.parametrize(
    ("input_shape", "error", "message"),
    [
        (0, ValueError, "^input_shape must be an integer of at least 1, got 0"),
        ((28, 0), ValueError, r"^input_shape\[1\] must be an integer of at least 1, got 0"),
        ((), ValueError, "^input_shape must have at least one dimension"),
        ("784", TypeError, "^input_shape must be an integer .*got '784'"),
        (None, TypeError, "^input_shape must be an integer"),
        ((28.0,), TypeError, r"^input_shape\[0\] must be an integer"),
    ],
)
def test_input_shape_must_be_positive_integers(input_shape, error, message):
    with pytest.raises(error, match=message):
        Network([Dense(3)], input_shape)


class Unknown(Layer):
    """A kind of layer that nobody has heard of, with a shape of its own."""

    kind = "unknown"

    def outputs(self, inputs):
        return Signal((*inputs.shape, 3, 2), self.given_name)


def test_a_new_kind_of_layer_needs_no_change_elsewhere():
    with pytest.raises(ValueError, match=r"got the shape \(4, 3, 2\); put a Flatten"):
        Network([Unknown(), Dense(3)], 4)
