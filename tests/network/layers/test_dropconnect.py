"""What layers with DropConnect have in common."""

from __future__ import annotations

import numpy as np
import pytest

from dask_horn.network import GRU, LSTM, Dense, SimpleRNN
from dask_horn.network.registry import layer_from_config

KINDS = [Dense, SimpleRNN, LSTM, GRU]


@pytest.mark.parametrize("kind", KINDS)
def test_dropconnect_is_a_probability_below_one(kind):
    assert kind(3, dropconnect=np.float64(0.25)) == kind(3, dropconnect=0.25)
    with pytest.raises(ValueError, match=r"^dropconnect must be a number of at least 0 and below"):
        kind(3, dropconnect=1)
    with pytest.raises(ValueError, match=r"^dropconnect must be a number of at least 0 and below"):
        kind(3, dropconnect=10**400)
    with pytest.raises(TypeError, match=r"^dropconnect must be a number .* got '0.5'$"):
        kind(3, dropconnect="0.5")


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_is_of_an_example_or_a_batch(kind):
    assert kind(3, dropconnect_mask="batch").dropconnect_mask == "batch"
    assert repr(kind(3, dropconnect_mask=np.str_("batch"))) == repr(
        kind(3, dropconnect_mask="batch")
    )
    with pytest.raises(
        ValueError, match=r"^dropconnect_mask must be one of 'example', 'batch', got"
    ):
        kind(3, dropconnect_mask="x")
    with pytest.raises(TypeError, match=r"^dropconnect_mask must be one of .*, got None"):
        kind(3, dropconnect_mask=None)


@pytest.mark.parametrize(
    ("rate", "kept"), [(0, 256), (0.5, 128), (0.2, 205), (1e-9, 255), (0.99999, 1)]
)
def test_the_probability_of_being_kept_has_steps(rate, kept):
    assert Dense(3, dropconnect=rate).keep_probability == kept / 256


@pytest.mark.parametrize("kind", KINDS)
def test_a_plain_layer_is_written_as_before_there_were_masks(kind):
    assert not {"dropconnect", "dropconnect_mask"} & set(kind(3).to_config())
    written = kind(3, dropconnect=0.5, dropconnect_mask="batch").to_config()
    assert (written["dropconnect"], written["dropconnect_mask"]) == (0.5, "batch")
    assert layer_from_config(written) == kind(3, dropconnect=0.5, dropconnect_mask="batch")
