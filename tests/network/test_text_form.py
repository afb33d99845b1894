from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dask_horn.network.text_form import layers_from_text
from tests.network.strategies import networks


@given(networks())
def test_what_is_shown_can_be_read(network):
    layers = list(network.layers)
    assert layers_from_text(", ".join(map(repr, layers))) == layers
    assert layers_from_text(",\n  ".join(map(repr, layers)) + ",") == layers


def test_brackets_may_be_around_them():
    layers = layers_from_text("Dropout(0.1), Dense(3)")
    assert layers_from_text("[Dropout(0.1), Dense(3)]") == layers
    assert layers_from_text("(Dropout(0.1), Dense(3))") == layers
    assert layers_from_text("[]") == []


def test_nothing_is_no_layers():
    assert layers_from_text("  ") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Dense(3", "was never closed"),
        ("Dense", "got Dense"),
        ("3", "got 3"),
        ("horn.Dense(3)", "got horn.Dense"),
        ("Dens(3)", "unknown layer Dens; did you mean Dense"),
        ("Attention(3)", "unknown layer Attention; there are"),
        ("Dense()", "units"),
        ("Dense(0)", "units must be an integer of at least 1"),
        ("Dense(3, colour='red')", "colour"),
        ("Dense(n)", "cannot make Dense(n): arguments must be numbers"),
        ("Dense(**{'units': 3})", "not allowed"),
        ("Dense(__import__('os').system('true'))", "cannot make"),
        ("Dense(3)]; [", "unmatched ']'"),
        ("Dense(3)\0", "null"),
        ("Dense(3) # wide", "comment"),
    ],
)
def test_what_is_no_layer_is_told(text, words):
    with pytest.raises(ValueError, match="layers") as told:
        layers_from_text(text)
    assert words in str(told.value)


@given(st.text() | st.text("Dense(3, )[]#=*:'0"))
def test_any_text_is_layers_or_told(text):
    try:
        layers_from_text(text)
    except ValueError as told:
        assert "layers" in str(told)
