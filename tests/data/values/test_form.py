"""What a network takes samples for is heeded: padding, tokens, units at positions."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from dask_horn.data import SampleForm, forget, row_blocks, spool, survey
from tests.data.sequences import MASK, padded

RNG = np.random.default_rng(0)


def _form(x, **changes):
    fields = {"standardizing": "units", "mask_value": MASK, "target_steps": x.shape[1]}
    return SampleForm(x.shape[1:], **(fields | changes))


def _survey(store, kind):
    try:
        return survey("run", store, row_blocks(store.n_samples, store.chunk_rows, 1), kind)
    finally:
        forget("run")


@given(padded())
def test_a_step_is_padding_where_all_its_values_are_the_mask(drawn):
    x, counted = drawn
    x[0, 0, 0] = MASK  # of several values one may be the mask by chance
    counted[0, 0] = x.shape[2] > 1
    for rows in (x, x.reshape(len(x), -1)):
        np.testing.assert_array_equal(_form(x).counted(rows), counted)


def test_without_a_mask_or_targets_of_steps_all_counts():
    x = np.full((4, 3, 2), MASK)
    assert _form(x, mask_value=None).counted(x).tolist() == [[True] * 3] * 4
    assert _form(x, target_steps=None).counted(x).tolist() == [[True]] * 4


@given(padded(), st.booleans())
def test_moments_are_those_of_the_steps_that_count(drawn, spooled):
    x, counted = drawn
    y = np.arange(len(x) * 2.0).reshape(len(x), 2)
    form = _form(x, target_steps=None)
    X = x if spooled else _zarr(x)
    found = _survey(spool(X, y, target_kind="values", form=form), "values")
    np.testing.assert_allclose(found.x.mean, x[counted].mean(axis=0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.x.variance, x[counted].var(axis=0), rtol=1e-9, atol=1e-9)
    standardizer = found.standardizer()
    assert standardizer.mean.shape == (x[0].size,)
    z = (x.reshape(len(x), -1) - standardizer.mean) / standardizer.scale
    z = z.reshape(x.shape)[counted]
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-5)


def test_units_share_mean_and_scale_over_positions():
    images = RNG.integers(0, 255, (20, 4, 5, 3)).astype(np.uint8)
    form = SampleForm(images.shape[1:], "units")
    found = _survey(spool(images, np.arange(20) % 2, target_kind="classes", form=form), "classes")
    standardizer = found.standardizer()
    mean = images.reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(standardizer.mean.reshape(20, 3), np.tile(mean, (20, 1)))
    deviation = images.reshape(-1, 3).std(axis=0)
    np.testing.assert_allclose(standardizer.scale.reshape(20, 3), np.tile(deviation, (20, 1)))


def test_channels_of_one_range_share_one_scale():
    images = RNG.integers(0, 256, (40, 8, 5, 3)).astype(np.uint8)
    images[0, 0, 0], images[0, 0, 1] = 0, 255
    form = SampleForm(images.shape[1:], "units")
    found = _survey(spool(images, np.arange(40) % 2, target_kind="classes", form=form), "classes")
    common = np.sqrt(images.reshape(-1, 3).var(axis=0).mean())
    np.testing.assert_allclose(found.standardizer().scale, common)


def test_tokens_stay_as_they_are():
    tokens = RNG.integers(0, 9, (30, 6))
    form = SampleForm((6,), "none", n_tokens=9)
    found = _survey(spool(tokens, tokens[:, 0], target_kind="classes", form=form), "classes")
    assert not found.standardizer().mean.any()
    assert (found.standardizer().scale == 1).all()


def _zarr(array):
    return zarr.create_array(
        store=MemoryStore(), name="a", data=array, chunks=(2, *array.shape[1:])
    )


@pytest.mark.parametrize("wrap", [np.asarray, _zarr, da.from_array])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (9, "X holds 9 at sample 5, step 2, which is no token; pass whole numbers from 0 to 8"),
        (-1, "X holds -1 at sample 5, step 2, which is no token"),
        (0.5, r"X holds 0\.5 at sample 5, step 2, which is no token"),
    ],
)
def test_what_is_no_token_is_named(wrap, value, message):
    tokens = RNG.integers(0, 9, (30, 6)).astype(np.asarray(value).dtype)
    tokens[[5, 7], 2] = value
    form = SampleForm((6,), "none", n_tokens=9)
    with pytest.raises(ValueError, match=message):
        y = wrap(np.arange(30) % 2)
        _survey(spool(wrap(tokens), y, target_kind="classes", form=form), "classes")


def test_padding_need_be_no_token():
    tokens = np.array([[3, 0, -1], [2, -1, -1]])
    assert SampleForm((3,), "none", -1, n_tokens=4).fault(tokens) is None
    tokens[1, 0] = -2
    fault = SampleForm((3,), "none", -1, n_tokens=4).fault(tokens, first_row=None)
    assert "holds -2 at sample 1 of a chunk, step 0" in fault


@pytest.mark.parametrize("dtype", ["u1", "i8", "f2", "f4", ">f8"])
def test_the_mask_is_looked_for_in_the_numbers_as_they_are_stored(dtype):
    x = np.array([[1, 5], [5, 5]]).astype(dtype)
    assert SampleForm((2, 1), mask_value=5.0).padding(x).tolist() == [[False, True], [True, True]]
    assert not SampleForm((2, 1), mask_value=5.1).padding(x).any()
    tenths = np.array([[0.1, 0.2]], "f4")
    assert SampleForm((2, 1), mask_value=0.1).padding(tenths).tolist() == [[True, False]]


@pytest.mark.parametrize("wrap", [np.asarray, _zarr, da.from_array])
@pytest.mark.parametrize("target_steps", [None, 4])
def test_a_sample_of_nothing_but_padding_is_named(wrap, target_steps):
    x = RNG.normal(size=(30, 4, 2))
    x[[11, 3]] = MASK
    y = np.arange(30) % 2
    y = wrap(y if target_steps is None else np.repeat(y[:, None], 4, axis=1))
    form = _form(x, target_steps=target_steps)
    with pytest.raises(ValueError, match=r"nothing but padding at sample 3.*mask_value=-7"):
        _survey(spool(wrap(x), y, target_kind="classes", form=form), "classes")


def test_samples_that_do_not_fit_the_network():
    with pytest.raises(ValueError, match=r"X has samples of shape \(6,\), .* of shape \(3, 3\)"):
        spool(np.zeros((4, 6)), target_kind=None, form=SampleForm((3, 3), "units"))


@pytest.mark.parametrize("shape", [(3, 8, 8), (4, 16, 3), (8, 24)])
def test_samples_whose_values_lie_in_another_order(shape):
    form = SampleForm((8, 8, 3), "units")
    with pytest.raises(ValueError, match=r"of shape \(8, 8, 3\); transpose them: positions or"):
        spool(np.zeros((4, *shape)), target_kind=None, form=form)


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((192,), (8, 8, 3)),
        ((8, 8), (8, 8, 1)),
        ((1, 5, 2), (5, 2)),
        ((7, 4), (28,)),
        ((5,), (5, 1)),
    ],
)
def test_samples_whose_values_lie_in_the_same_order(shape, wanted):
    SampleForm(wanted, "units").check(shape)
