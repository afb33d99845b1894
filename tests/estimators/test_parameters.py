"""Parameters: their defaults, what they make, and which are refused."""

from __future__ import annotations

import numpy as np
import pytest

from dask_horn import Dense, Dropout, HornClassifier, HornRegressor
from dask_horn.training import TrainingOptions
from tests.estimators.iris import ESTIMATORS, SMALL, X, Y


def test_defaults_are_those_of_training():
    defaults = TrainingOptions()
    parameters = HornClassifier().get_params() | HornRegressor().get_params()
    # Tables need fewer passes than images and texts.
    shared = parameters.keys() & vars(defaults).keys() - {"random_state", "n_rounds"}
    assert len(shared) >= 20
    for name in shared:
        assert parameters[name] == getattr(defaults, name), name


@ESTIMATORS
def test_every_parameter_is_documented_with_its_default(make):
    for name, value in make().get_params().items():
        assert f"\n{name} : " in make.__doc__
        assert f"default {value!r}\n" in make.__doc__
    assert "{parameters}" not in make.__doc__


def test_layers_take_the_place_of_sizes():
    layers = [Dense(12, activation="tanh"), Dropout(0.2), Dense(8, activation="gelu")]
    clf = HornClassifier(**{**SMALL, "hidden_layer_sizes": (99,)}, layers=layers).fit(X, Y)
    assert clf.model_.network.layers == (*layers, Dense(3))
    sized = HornClassifier(
        **SMALL | {"hidden_layer_sizes": [6, 5], "activation": "tanh"},
        dropout=0.5,
        dropconnect=0.25,
    )
    hidden = [Dense(units, "tanh", dropconnect=0.25) for units in (6, 5)]
    expected = (hidden[0], Dropout(0.5), hidden[1], Dropout(0.5), Dense(3))
    assert sized.fit(X, Y).model_.network.layers == expected


def test_an_output_layer_among_the_hidden_ones_is_told():
    layers = [Dense(12, activation="tanh"), Dense(3)]
    with pytest.warns(UserWarning, match=r"layers end with Dense\(3\), .* leave this one out"):
        clf = HornClassifier(**SMALL, layers=layers).fit(X, Y)
    assert clf.model_.network.layers == (*layers, Dense(3))


BAD_PARAMETERS = [
    ({"hidden_layer_sizes": 5.5}, TypeError, "hidden_layer_sizes must be an integer of at least 1"),
    ({"hidden_layer_sizes": "ab"}, TypeError, "hidden_layer_sizes must be an integer"),
    (
        {"hidden_layer_sizes": (8, 0)},
        ValueError,
        r"hidden_layer_sizes\[1\] must be an integer of at least 1, got 0",
    ),
    ({"layers": [3]}, TypeError, r"layers\[0\] must be a layer"),
    (
        {"layers": Dense(3)},
        TypeError,
        r"layers must be a list or a tuple of layers, got Dense\(3\)",
    ),
    ({"layers": iter([Dense(3)])}, TypeError, "layers must be a list or a tuple of layers, got <"),
    ({"layers": "Dense(3)"}, TypeError, "layers must be a list or a tuple of layers, got 'Dense"),
    ({"clip_norm": np.inf}, ValueError, "clip_norm must be a finite number above 0, got inf"),
    ({"activation": "swish"}, ValueError, "activation must be one of 'relu', 'tanh'"),
    (
        {"dropconnect": 1},
        ValueError,
        "dropconnect must be a number of at least 0 and below 1, got 1",
    ),
    ({"dropout": 1}, ValueError, "dropout must be a number of at least 0 and below 1, got 1"),
    ({"n_submodels": 17}, ValueError, "n_submodels=17 is more than the 16 units of"),
    ({"n_groups": 500}, ValueError, "n_groups=500 is more than the 150 samples"),
    ({"n_rounds": 0}, ValueError, "n_rounds must be an integer of at least 1, got 0"),
    ({"learning_rate": -1}, ValueError, "learning_rate must be a finite number above 0, got -1"),
    ({"merge": "sum"}, ValueError, "merge must be one of 'average', 'ensemble', got 'sum'"),
    ({"random_state": -1}, ValueError, "random_state must be an integer of at least 0, got -1"),
    (
        {"checkpoint": "c", "random_state": None},
        ValueError,
        "checkpoint='c' needs an integer random_state",
    ),
]


@pytest.mark.parametrize(("parameters", "error", "message"), BAD_PARAMETERS)
@ESTIMATORS
def test_bad_parameters_are_told(make, parameters, error, message):
    with pytest.raises(error, match=message):
        make(**{**SMALL, **parameters}).fit(X, Y)
