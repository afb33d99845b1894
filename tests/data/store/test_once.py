"""What Dask computes is computed once: rows and their targets belong together."""

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from zarr.storage import MemoryStore

import dask_horn as horn
from dask_horn.data import spool
from dask_horn.data.store.reading import open_rows

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(400, 3)), columns=list("abc"))
FRAME["y"] = FRAME["a"]  # whose rows have lost their targets shows at once
CALLS = []


@pytest.fixture(autouse=True)
def _no_calls():
    CALLS.clear()


def stirred(part):
    CALLS.append(len(part))
    return part.sample(frac=1)


def stirred_array(block):
    CALLS.append(len(block))
    return np.random.default_rng().permutation(block)


def _lazy(n_partitions=4):
    return dd.from_pandas(FRAME, npartitions=n_partitions)


def _stirred():
    return _lazy().map_partitions(stirred, meta=FRAME.head(0))


def _array():
    source = da.from_array(FRAME.to_numpy(), chunks=(100, 4))
    return source.map_blocks(stirred_array, dtype=float)


FRAMES = {
    "map_partitions": _stirred,
    "shuffle": lambda: _stirred().shuffle("b"),
    "sample": lambda: _stirred().sample(frac=0.5),
    "filtered": lambda: _stirred()[lambda frame: frame["b"] > 0],
    "delayed": lambda: dd.from_delayed(
        [dask.delayed(stirred)(FRAME[i : i + 100]) for i in range(0, 400, 100)]
    ),
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("scratch", [False, True])
def test_rows_of_frames_keep_their_targets(name, scratch, tmp_path):
    frame = FRAMES[name]()
    CALLS.clear()  # Dask tries functions out
    folder = str(tmp_path) if scratch else None
    store = spool(frame[list("abc")], frame["y"], target_kind="values", scratch=folder)
    x, y = open_rows(store.x)[...], open_rows(store.y)[...]
    np.testing.assert_array_equal(x[:, 0], y)
    assert len(CALLS) == 4
    assert np.isin(y, FRAME["y"]).all()


@pytest.mark.parametrize("scratch", [False, True])
def test_rows_of_arrays_keep_their_targets(scratch, tmp_path):
    array = _array()
    CALLS.clear()
    folder = str(tmp_path) if scratch else None
    store = spool(array[:, :3], array[:, 3], target_kind="values", scratch=folder)
    np.testing.assert_array_equal(open_rows(store.x)[:, 0], open_rows(store.y)[...])
    assert len(CALLS) == 4


def test_write_samples_computes_once(tmp_path):
    for location in (str(tmp_path / "a.zarr"), MemoryStore()):
        CALLS.clear()
        frame = _stirred()
        store = horn.write_samples(location, frame[list("abc")], frame["y"], chunk_bytes=2000)
        np.testing.assert_array_equal(open_rows(store.x)[:, 0], open_rows(store.y)[...])
        assert len(CALLS) == 4


def test_labels_keep_their_rows(tmp_path):
    frame = FRAME.assign(y=np.where(FRAME["a"] > 0, "up", "down"))
    lazy = dd.from_pandas(frame, npartitions=4).map_partitions(stirred, meta=frame.head(0))
    store = spool(lazy[list("abc")], lazy["y"], target_kind="classes", scratch=str(tmp_path))
    assert store.classes.tolist() == ["down", "up"]
    np.testing.assert_array_equal(open_rows(store.x)[:, 0] > 0, open_rows(store.y)[...] == 1)
    assert len(CALLS) == 4


def test_a_classifier_fits_and_scores_on_rows_in_no_fixed_order():
    frame = _stirred().assign(label=lambda f: (f["a"] > 0).astype(int))
    X, y = frame[list("abc")], frame["label"]
    clf = horn.HornClassifier(hidden_layer_sizes=16, n_rounds=4, dropout=0.4, random_state=0)
    clf.fit(X, y)
    assert len(CALLS) == 4
    assert clf.score(FRAME[list("abc")], (FRAME["a"] > 0).astype(int)) > 0.95
    assert clf.score(X, y) > 0.95
    assert clf.model_.score(X, y) > 0.95
    assert clf.calibrate(X, y).score(X, y) > 0.95
    assert clf.fit(X, y, validation_data=(X, y)).history_[-1].validation_score > 0.95


@pytest.mark.parametrize("as_array", [False, True])
def test_targets_in_another_order_each_time_are_refused(as_array):
    X, y = _stirred()[list("abc")], _stirred()["y"].values
    with pytest.raises(ValueError, match="another order, each time that it is computed"):
        spool(X.values if as_array else X, y, target_kind="values")
    with pytest.raises(ValueError, match="another order, each time that it is computed"):
        horn.write_samples(MemoryStore(), X.values if as_array else X, y)


@pytest.mark.parametrize(
    "take",
    [
        lambda frame: (frame.sample(frac=1), frame),
        lambda frame: (frame.sample(frac=0.5), frame.sample(frac=0.5)),
        lambda frame: (frame.shuffle("b", shuffle_method="tasks"), frame),
    ],
    ids=["sampled", "sampled twice", "shuffled"],
)
def test_frames_in_different_orders_are_refused(take):
    samples, targets = take(_lazy())
    with pytest.raises(ValueError, match="y has the index labels of X in another order"):
        spool(samples[list("abc")], targets["y"], target_kind="values")


def test_arrays_of_two_shuffles_are_refused():
    frame = _lazy().shuffle("b", shuffle_method="disk")
    with pytest.raises(ValueError, match="come from two shuffles"):
        spool(frame[list("abc")].values, frame["y"].values, target_kind="values")


@pytest.mark.parametrize(
    "take",
    [
        lambda: (_lazy()[list("abc")], _lazy()["y"]),
        lambda: (_lazy()[list("abc")].values, _lazy()["y"].values),
        lambda: (_lazy()[list("abc")], da.from_array(FRAME["y"].to_numpy(), chunks=130)),
        lambda: (_lazy()[list("abc")], _lazy(3)["y"]),
        lambda: (_lazy()[list("abc")], _lazy()["y"].reset_index(drop=True)),
        lambda: (_lazy()[list("abc")].persist(), _lazy()["y"].persist()),
        lambda: (FRAME[list("abc")], _lazy()["y"]),
    ],
)
def test_ordinary_pairs_are_taken(take):
    X, y = take()
    store = spool(X, y, target_kind="values", shuffle=False)
    np.testing.assert_array_equal(open_rows(store.x)[...], FRAME[list("abc")])
    np.testing.assert_array_equal(open_rows(store.y)[...], FRAME["y"])
