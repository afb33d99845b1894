"""Missing values are named by the number of the sample: of what is lazy, padded or a frame."""

from __future__ import annotations

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr
from zarr.storage import MemoryStore

import dask_horn as horn

N = 60
X = np.random.default_rng(0).normal(size=(N, 3))
Y = 3 * X[:, 1] + X[:, 0]
LABELS = np.where(Y > 0, "open", "closed")
GAPS = np.zeros(X.shape, bool)
GAPS[37, 1] = GAPS[52, 0] = True
MASKED = np.ma.array(X, mask=GAPS)
NULLABLE = pd.DataFrame(X, columns=list("abc")).astype("Float64")


def _network(loss="squared_error", outputs=1):
    return horn.Network([horn.Dense(2, "relu"), horn.Dense(outputs)], 3, loss=loss)


def _train(X, y, network=None, **options):
    network = network or _network()
    return horn.train(network, X, y, n_rounds=1, steps_per_round=2, **options).model


def _lazy(rows, n=5):
    if isinstance(rows, pd.DataFrame | pd.Series):
        return dd.from_pandas(rows, npartitions=n)
    return da.from_array(rows, chunks=(N // n, *rows.shape[1:]))


WAYS = {
    "train": lambda X: _train(X, _lazy(Y) if hasattr(X, "dask") else Y),
    "fit": lambda X: horn.HornRegressor(n_rounds=1).fit(X, Y),
    "partial_fit": lambda X: horn.HornRegressor().partial_fit(X, Y),
    "validation_data": lambda X: _train(np.asarray(MASKED), Y, validation_data=(X, Y)),
    "write_samples": lambda X: horn.write_samples(MemoryStore(), X),
    "predict": lambda X: np.asarray(_train(np.asarray(MASKED), Y).predict(X)),
    "evaluate": lambda X: _train(np.asarray(MASKED), Y).evaluate(X, Y),
}


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("frame", [False, True])
def test_a_missing_sample_is_named(way, lazy, frame):
    rows = NULLABLE.mask(GAPS) if frame else MASKED
    with pytest.raises(ValueError, match=r"X holds a missing value .* at sample \d+") as told:
        WAYS[way](_lazy(rows) if lazy else rows)
    if way != "predict":  # lazily predicted chunks are computed in any order
        assert "sample 37" in str(told.value)
    if frame and way not in ("predict", "evaluate"):
        assert "column 'b'" in str(told.value)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_nullable_frames_give_the_bits_of_plain_ones(lazy, backend):
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1] > 0, "c": np.arange(N)})
    target = pd.Series(Y)
    models, stored = [], []
    for convert in (False, True):
        rows, y = frame, target
        if convert:
            kinds = {"a": "Float64", "b": "boolean", "c": "Int64"}
            arrow = {"a": "double[pyarrow]", "b": "bool[pyarrow]", "c": "int64[pyarrow]"}
            rows = frame.astype(kinds if backend == "numpy_nullable" else arrow)
            y = target.astype("Float64" if backend == "numpy_nullable" else "double[pyarrow]")
        rows, y = (_lazy(rows), _lazy(y)) if lazy else (rows, y)
        models.append(_train(rows, y).parameters)
        store = MemoryStore()
        horn.write_samples(store, rows, y)
        stored.append([zarr.open_group(store)[name][...] for name in ("X", "y")])
    np.testing.assert_array_equal(*models)
    for plain, nullable in zip(*stored, strict=True):
        np.testing.assert_array_equal(nullable, plain, strict=True)


def _absent(dtype=None):
    labels = pd.Series(LABELS, dtype=object)
    labels[37] = labels[52] = None
    return labels if dtype is None else labels.astype(dtype)


ABSENT = {
    "list": lambda: _absent().tolist(),
    "objects": lambda: _absent().to_numpy(),
    "masked": lambda: np.ma.array(LABELS, mask=GAPS.any(axis=1)),
    "text": lambda: _absent("str"),
    "string": lambda: _absent("string"),
    "arrow": lambda: _absent("string[pyarrow]"),
    "category": lambda: _absent("category"),
    "lazy objects": lambda: _lazy(_absent().to_numpy()),
    "lazy masked": lambda: _lazy(np.ma.array(LABELS, mask=GAPS.any(axis=1))),
    "lazy text": lambda: _lazy(_absent("str")),
    "lazy category": lambda: _lazy(_absent("category")),
}


@pytest.mark.parametrize("kind", ABSENT)
def test_a_missing_label_is_named(kind):
    y = ABSENT[kind]()
    rows = _lazy(X) if hasattr(y, "dask") else X
    network = _network("cross_entropy", 2)
    fitted = horn.HornClassifier(hidden_layer_sizes=2, n_rounds=1).fit(X, LABELS)
    for work in (
        lambda: _train(rows, y, network),
        lambda: horn.HornClassifier(n_rounds=1).fit(rows, y),
        lambda: horn.HornClassifier().partial_fit(rows, y, classes=["open", "closed"]),
        lambda: fitted.score(X, y),
        lambda: fitted.calibrate(X, y),
        lambda: fitted.model_.evaluate(rows, y),
        lambda: _train(X, LABELS, network, validation_data=(rows, y)),
    ):
        with pytest.raises(ValueError, match="y holds no class at sample 37 "):
            work()
    with pytest.raises(ValueError, match=r"y holds a missing value .* at sample 37"):
        horn.write_samples(MemoryStore(), rows, y)


@pytest.mark.parametrize("numbers", [np.arange(N) % 2, Y])
def test_numbers_that_are_lazy_objects_are_written_as_numbers(numbers):
    store = MemoryStore()
    horn.write_samples(store, _lazy(X), _lazy(numbers.astype(object)))
    np.testing.assert_array_equal(zarr.open_group(store)["y"][...], numbers, strict=True)


@pytest.mark.parametrize("last", ["text", 0.5])
def test_lazy_objects_of_two_kinds_are_refused(last):
    mixed = np.arange(N).astype(object)
    mixed[-20:] = last
    with pytest.raises(ValueError, match=r"y (mixes|has dtype object)"):
        horn.write_samples(MemoryStore(), _lazy(X), _lazy(mixed))


def test_lazy_frames_are_told_how_dask_encodes_categories():
    frame = pd.DataFrame({"a": X[:, 0], "colour": pd.Categorical(LABELS)})
    lazy = _lazy(frame)
    with pytest.raises(ValueError, match="categories or text in the column 'colour'") as told:
        _train(lazy, _lazy(pd.Series(Y)))
    names = {"dd": dd, "X": lazy}
    for line in str(told.value).splitlines()[1:]:
        exec(line.strip(), names)
    assert horn.write_samples(MemoryStore(), names["X"]).sample_shape == (3,)


STEPS = 4
PADDING = np.arange(STEPS) >= 1 + np.arange(N)[:, None] % STEPS
SEQUENCES = np.where(PADDING[..., None], -1.0, np.random.default_rng(1).normal(size=(N, STEPS, 2)))
OF_STEPS = (SEQUENCES[..., 0] > 0).astype(int)


def _recurrent():
    layers = [horn.SimpleRNN(2, return_sequences=True, mask_value=-1.0), horn.Dense(2)]
    return horn.Network(layers, (STEPS, 2), loss="cross_entropy")


@pytest.mark.parametrize("lazy", [False, True])
def test_what_is_missing_where_there_is_padding_is_not_missed(lazy):
    masked = np.ma.array(OF_STEPS, mask=PADDING.copy())
    rows, y = (_lazy(SEQUENCES), _lazy(masked)) if lazy else (SEQUENCES, masked)
    plain = _lazy(OF_STEPS) if lazy else OF_STEPS
    model = _train(rows, y, _recurrent())
    np.testing.assert_array_equal(model.parameters, _train(rows, plain, _recurrent()).parameters)
    assert model.score(rows, y) == model.score(SEQUENCES, OF_STEPS)
    masked[30, 0] = np.ma.masked  # a step that counts
    with pytest.raises(ValueError, match=r"y holds .* at sample 30, (step|output) 0"):
        _train(rows, _lazy(masked) if lazy else masked, _recurrent())


def test_fill_values_may_be_those_of_padding():
    group = zarr.create_group(store=MemoryStore())
    group.create_array("X", data=SEQUENCES).attrs["_FillValue"] = -1.0
    group.create_array("y", data=np.where(PADDING, -9, OF_STEPS)).attrs["_FillValue"] = -9
    model = _train(group["X"], group["y"], _recurrent())
    assert model.score(group) == model.score(SEQUENCES, OF_STEPS)
    layers = [horn.SimpleRNN(2, return_sequences=True, mask_value=-1.0)]
    fitted = horn.HornClassifier(layers=layers, n_rounds=1).fit(group["X"], group["y"])
    assert fitted.score(group["X"], group["y"]) == fitted.score(SEQUENCES, OF_STEPS)
