from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dask_horn.network import Dense, Dropout, Network, ParameterTable
from tests.network.strategies import networks

NETWORK = Network(
    [Dense(7, activation="relu"), Dropout(0.5), Dense(5, activation="tanh"), Dense(3)], 4
)
TABLE = NETWORK.parameters


def _assert_laid_out(table: ParameterTable) -> None:
    """Tensors lie apart, in order, each at 64 bytes, and the vector ends with the last one."""
    end = 0
    for tensor in table.tensors:
        assert tensor.offset % 16 == 0
        assert end <= tensor.offset < end + 16
        end = tensor.offset + tensor.size
    assert end <= table.size < end + 16
    assert table.size % 16 == 0
    assert table.n_parameters == sum(np.prod(tensor.shape) for tensor in table.tensors)


@given(networks())
def test_every_tensor_has_a_place_of_its_own(network):
    table = network.parameters
    _assert_laid_out(table)
    vector = np.zeros(table.size, np.float32)
    for index, tensor in enumerate(table.as_dict(vector).values(), start=1):
        assert not tensor.any()
        tensor[...] = index
    assert np.count_nonzero(vector) == table.n_parameters


@given(networks(), st.data())
def test_a_restricted_table_is_laid_out_like_any_other(network, data):
    sizes = {
        axis: data.draw(st.integers(1, network.unit_axes[axis])) for axis in network.divided_axes
    }
    table = network.parameters.restrict(sizes)
    _assert_laid_out(table)
    lengths = {**network.unit_axes, **sizes}
    for old, new in zip(network.parameters.tensors, table.tensors, strict=True):
        places = zip(old.axes, old.shape, strict=True)
        assert new.shape == tuple(lengths.get(axis, length) for axis, length in places)
        assert (new.name, new.axes, new.fan_in, new.decays) == (
            old.name,
            old.axes,
            old.fan_in,
            old.decays,
        )


def test_restricting_nothing_changes_nothing():
    assert TABLE.restrict({}) == TABLE
    assert TABLE.restrict(NETWORK.unit_axes) == TABLE


def test_axes_follow_the_units_through_dropout():
    assert {name: spec.axes for name, spec in TABLE.items()} == {
        "dense_1/W": ("input", "dense_1"),
        "dense_1/b": ("dense_1",),
        "dense_2/W": ("dense_1", "dense_2"),
        "dense_2/b": ("dense_2",),
        "output/W": ("dense_2", "output"),
        "output/b": ("output",),
    }


def test_views_share_the_vector_whatever_its_dtype():
    for dtype in (np.float32, np.float64):
        vector = np.zeros(TABLE.size, dtype)
        TABLE.view(vector, "output/W")[2, 1] = 5
        assert vector[TABLE["output/W"].offset + 2 * 3 + 1] == 5


def test_errors():
    with pytest.raises(KeyError, match=r"no tensor 'W' in the table; it has dense_1/W, "):
        TABLE["W"]
    with pytest.raises(ValueError, match=rf"^vector must have .* \({TABLE.size},\), got \(3,\)"):
        TABLE.view(np.zeros(3), "output/W")
    with pytest.raises(ValueError, match=r"\(input, dense_1, dense_2, output\), got 'dense_9'"):
        TABLE.restrict({"dense_9": 1})
    with pytest.raises(
        ValueError, match=r"^sizes\['dense_1'\] must be an integer from 1 to 7, got 8"
    ):
        TABLE.restrict({"dense_1": 8})
    with pytest.raises(ValueError, match=r"^sizes\['dense_1'\] must be an integer from 1 to 7"):
        TABLE.restrict({"dense_1": 0})


def test_the_table_is_a_mapping():
    assert len(TABLE) == 6
    assert "dense_1/W" in TABLE
    assert TABLE.get("nothing") is None
    assert hash(TABLE) == hash(ParameterTable(TABLE.tensors))
