from __future__ import annotations

import json

import pytest

import dask_horn
from dask_horn.errors import ModelFormatError
from dask_horn.network import (
    GRU,
    LSTM,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool2D,
    LayerNorm,
    MaxPool2D,
    MissingIndicator,
    Periodic,
    PiecewiseLinear,
    SimpleRNN,
    registry,
)

EXAMPLES = [
    AveragePool2D((2, 3), stride=1, padding="same"),
    Conv2D(4, (3, 5), stride=(2, 1), padding="same", activation="gelu", name="conv"),
    Dense(3, "relu", use_bias=False, name="wide"),
    Dense(2),
    Dropout(0.25, name="drop"),
    Flatten(),
    GlobalAveragePool2D(name="mean"),
    MaxPool2D(3, stride=2),
    Embedding(65, 8),
    SimpleRNN(3, "relu"),
    LSTM(3, return_sequences=True, mask_value=-1.5),
    GRU(3, use_bias=False),
    BatchNorm(0.01, activation="relu", name="norm"),
    LayerNorm(),
    MissingIndicator((0, 2)),
    PiecewiseLinear((3, 0, 4), name="bins"),
    Periodic(3, sigma=0.5, learned=True),
]


@pytest.mark.parametrize("layer", EXAMPLES, ids=repr)
def test_a_layer_comes_back_from_json(layer):
    assert registry.layer_from_config(json.loads(json.dumps(layer.to_config()))) == layer


def test_every_kind_has_an_example_here():
    assert {type(layer) for layer in EXAMPLES} == set(registry.LAYERS.values())
    assert all(kind == layer.kind for kind, layer in registry.LAYERS.items())


def test_every_kind_is_public():
    for layer in registry.LAYERS.values():
        assert getattr(dask_horn, layer.__name__) is layer


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "conv9d", "units": 3}, "one of .*dense, .*, got 'conv9d'; it may need a later"),
        ({"units": 3}, "got None"),
        ({"kind": ["dense"]}, r"got \['dense'\]"),
        ({"kind": "dense", "units": 3, "groups": 2}, "got 'groups'; it may need a later dask_horn"),
        ({"kind": "dense", "units": 0}, "units must be an integer of at least 1, got 0"),
        ({"kind": "dense"}, "'units'"),
        ("dense", "must be an object with a kind, got 'dense'"),
    ],
)
def test_what_is_not_known_is_refused(config, message):
    with pytest.raises(ModelFormatError, match=message):
        registry.layer_from_config(config)
