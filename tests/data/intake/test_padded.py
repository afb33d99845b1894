"""What targets of padding are does not matter: not their class, nor whether they are numbers."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from dask_horn.data import (
    Block,
    SampleForm,
    decoded,
    forget,
    held_out_targets,
    row_blocks,
    spool,
    spool_split,
    survey,
)
from dask_horn.data.intake.padded import filled_beside
from dask_horn.data.values.padding import filled
from tests.data.decoding import decode
from tests.data.sequences import MASK, padded

RNG = np.random.default_rng(0)
N, STEPS = 40, 5
COUNTED = np.arange(STEPS) < RNG.integers(1, STEPS + 1, N)[:, None]
X = np.where(COUNTED[:, :, None], RNG.normal(size=(N, STEPS, 2)), MASK)
FORM = SampleForm((STEPS, 2), "units", MASK, target_steps=STEPS)


def _zarr(array):
    data = array.astype("T") if array.dtype.kind == "U" else array
    return zarr.create_array(
        MemoryStore(),
        name="a",
        data=data,
        chunks=(7, *array.shape[1:]),
        config={"write_empty_chunks": True},  # or a chunk of the first class alone is not there
    )


def _dask(array):
    return da.from_array(array, chunks=(9, *(2 for _ in array.shape[1:])))


WRAPS = {"memory": np.asarray, "zarr": _zarr, "dask": _dask}
LABELS = {
    "integers": (np.arange(N * STEPS).reshape(N, STEPS) % 3, -1),
    "floats": (np.arange(N * STEPS).reshape(N, STEPS) % 3 / 2, np.nan),
    "text": (np.array(["dog", "a cat", "ox"])[np.arange(N * STEPS).reshape(N, STEPS) % 3], ""),
}


@given(padded(), st.integers(1, 3), st.booleans(), st.booleans())
def test_targets_of_padding_are_filled_lazily(drawn, rows, lazy_x, lazy_y):
    x, counted = drawn
    y = RNG.integers(0, 5, counted.shape)
    form = SampleForm(x.shape[1:], "units", MASK, target_steps=x.shape[1])
    samples = da.from_array(x, chunks=(rows, 1, 1)) if lazy_x else _zarr(x)
    targets = da.from_array(y, chunks=(2, 1)) if lazy_y else y
    got = filled_beside(samples, targets, form).compute()
    np.testing.assert_array_equal(got, filled(y, counted))


@pytest.mark.parametrize("wrap_x", WRAPS.values(), ids=WRAPS)
@pytest.mark.parametrize("wrap_y", WRAPS.values(), ids=WRAPS)
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.filterwarnings("ignore:The data type:zarr.errors.UnstableSpecificationWarning")
def test_the_class_of_padding_is_no_class(wrap_x, wrap_y, labels, known):
    y, pad = LABELS[labels]
    classes, counts = np.unique(y[COUNTED], return_counts=True)
    y = np.where(COUNTED, y, pad)
    store = spool(
        wrap_x(X), wrap_y(y), target_kind="classes", form=FORM, shuffle=False,
        classes=classes if known else None,
    )  # fmt: skip
    blocks = row_blocks(N, store.chunk_rows, 2)
    found = survey("run", store, blocks, "classes")
    assert found.classes.tolist() == classes.tolist()
    assert found.class_counts.tolist() == counts.tolist()
    targets = found.targets()
    for block in (blocks[0], Block(3, N)):
        got = decoded("run", store, block, targets).y
        rows = slice(block.start, block.stop)
        kept = COUNTED[rows]
        np.testing.assert_array_equal(got[kept], np.searchsorted(classes, y[rows][kept]))
        assert set(got.ravel()) <= set(range(len(classes)))
    forget("run")


@pytest.mark.parametrize("wrap_x", WRAPS.values(), ids=WRAPS)
@pytest.mark.parametrize("wrap_y", WRAPS.values(), ids=WRAPS)
@pytest.mark.parametrize("n_outputs", [None, 1, 3])
def test_values_of_padding_play_no_part(wrap_x, wrap_y, n_outputs):
    shape = (N, STEPS) if n_outputs is None else (N, STEPS, n_outputs)
    y = RNG.normal(7, 3, shape)
    y[~COUNTED] = np.nan
    store = spool(wrap_x(X), wrap_y(y), target_kind="values", form=FORM)
    found = survey("run", store, row_blocks(N, store.chunk_rows, 2), "values")
    kept = y[COUNTED].reshape(COUNTED.sum(), -1)
    np.testing.assert_allclose(found.y.mean, kept.mean(axis=0))
    np.testing.assert_allclose(found.y.variance, kept.var(axis=0))
    targets = found.targets()
    assert (targets.flat, targets.n_outputs) == (n_outputs is None, n_outputs or 1)
    assert np.isfinite(decoded("run", store, Block(0, N), targets).y).all()
    forget("run")


@pytest.mark.parametrize("wrap", [_zarr, _dask])
@pytest.mark.parametrize("kind", ["classes", "values"])
def test_what_is_missing_elsewhere_is_named(wrap, kind):
    y = np.where(COUNTED, 1.0, np.nan)
    y[12, 0] = np.nan
    store = spool(_zarr(X), wrap(y), target_kind=kind, form=FORM)
    with pytest.raises(ValueError, match=r"y holds (no class|NaN) at sample 12, step 0"):
        survey("run", store, row_blocks(N, store.chunk_rows, 2), kind)
    forget("run")
    with pytest.raises(ValueError, match=r"y holds (no class|NaN) at sample 12, step 0"):
        spool(X, y, target_kind=kind, form=FORM)


def test_samples_in_memory_keep_their_targets_beside_them():
    y = np.repeat(np.arange(N)[:, None], STEPS, axis=1)
    x = np.where(COUNTED[:, :, None], y[:, :, None], MASK)
    form = SampleForm((STEPS, 1), "units", MASK, target_steps=STEPS)
    stores = spool_split(x, y, target_kind="classes", validation_fraction=0.3, form=form)
    assert sum(store.n_samples for store in stores) == N
    for store in stores:
        block = decode(store, Block(0, store.n_samples), None)
        labels = store.classes[store.y.open()[:]]
        np.testing.assert_array_equal(labels[:, 0], block.x[:, 0])


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_held_out_targets_of_padding(wrap):
    y = np.where(COUNTED, np.arange(N)[:, None] / 2, np.nan)
    got = held_out_targets(X, wrap(y), "classes", COUNTED)
    np.testing.assert_array_equal(got[COUNTED], y[COUNTED])
    with pytest.raises(ValueError, match="for each of 5 steps"):
        held_out_targets(X, y[:, :3], "classes", COUNTED)


def test_a_store_whose_samples_have_one_class_each_is_not_taken_for_sorted():
    y = np.repeat(RNG.integers(0, 2, (400, 1)), STEPS, axis=1)
    x = RNG.normal(size=(400, STEPS, 2))
    store = spool(_zarr(x), _zarr(y), target_kind="classes", form=FORM)
    assert survey("run", store, row_blocks(400, 40, 2), "classes", "fill").sorted_share < 0.2
    forget("run")
    store = spool(_zarr(x), _zarr(np.sort(y, axis=0)), target_kind="classes", form=FORM)
    with pytest.warns(UserWarning, match="sorted by class"):
        survey("run", store, row_blocks(400, 40, 2), "classes", "fill")
    forget("run")
