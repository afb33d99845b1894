from __future__ import annotations

import json

import pytest

from dask_horn.errors import ModelFormatError
from dask_horn.network import Dense, Dropout, Network

NETWORK = Network([Dense(7, activation="relu", name="wide"), Dropout(0.5), Dense(3)], (2, 2))


def test_the_format_is_what_earlier_models_hold():
    # A change here must raise FORMAT_VERSION, or old models are misread.
    assert json.loads(NETWORK.to_json()) == {
        "version": 1,
        "input_shape": [2, 2],
        "loss": "cross_entropy",
        "layers": [
            {"kind": "dense", "units": 7, "activation": "relu", "use_bias": True, "name": "wide"},
            {"kind": "dropout", "rate": 0.5, "name": None},
            {"kind": "dense", "units": 3, "activation": "linear", "use_bias": True, "name": None},
        ],
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"version": 2},
            "format version 2, but this dask_horn reads versions up to 1",
        ),
        ({"version": "1"}, "positive integer, got '1'"),
        ({"version": True}, "positive integer, got True"),
        ({"skips": [[0, 2]]}, "unknown field 'skips'; it may need a later dask_horn"),
        ({"layers": {"0": "dense"}}, "'layers' .* must be a list"),
        ({"layers": []}, "JSON is not valid: layers must have at least"),
        ({"layers": [{"kind": "attention"}]}, "got 'attention'"),
        ({"input_shape": 4}, "'input_shape' .* must be a list, got 4"),
        ({"input_shape": [4.5]}, "JSON is not valid: input_shape"),
        ({"loss": "hinge"}, "JSON is not valid: loss must be one of"),
        ({"loss": ["huber"]}, "JSON is not valid: loss must be one of"),
    ],
)
def test_what_is_not_known_is_refused(change, message):
    text = json.dumps({**json.loads(NETWORK.to_json()), **change})
    with pytest.raises(ModelFormatError, match=message):
        Network.from_json(text)


@pytest.mark.parametrize("missing", ["version", "input_shape", "loss", "layers"])
def test_a_missing_field_is_named(missing):
    fields = json.loads(NETWORK.to_json())
    del fields[missing]
    with pytest.raises(ModelFormatError, match=f"'{missing}'"):
        Network.from_json(json.dumps(fields))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000, None, b"\xff"])
def test_what_is_no_network_at_all_is_refused(text):
    with pytest.raises(ModelFormatError, match=r"^a network"):
        Network.from_json(text)
