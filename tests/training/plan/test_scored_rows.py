"""Rows that are held out have a score: at least two of them, with different targets."""

import dask.array as da
import numpy as np
import pytest
import zarr

from dask_horn import HornClassifier, HornRegressor

X = np.random.default_rng(0).normal(size=(14, 2))
Y = 3 * X[:, 0] + 100
SETTINGS = {"hidden_layer_sizes": 8, "n_rounds": 2, "random_state": 0, "early_stopping": True}
FULL = {"write_empty_chunks": True}  # or a chunk of the first class alone is not there
CONTAINERS = {
    "numpy": np.asarray,
    "dask": lambda rows: da.from_array(rows, chunks=(5, *rows.shape[1:])),
    "zarr": lambda rows: zarr.create_array({}, data=rows, chunks=(5, *rows.shape[1:]), config=FULL),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("n_samples", [4, 5, 9, 14])
def test_few_rows_are_held_out_so_that_they_have_a_score(container, n_samples):
    wrap = CONTAINERS[container]
    reg = HornRegressor(**SETTINGS).fit(wrap(X[:n_samples]), wrap(Y[:n_samples]))
    scores = set(reg.history_.column("validation_score"))
    assert np.isfinite(list(scores)).all() and scores != {0.0}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("y", [Y[:3], np.ones(14), np.ones((14, 2))], ids=["3", "constant", "2"])
def test_what_has_no_score_is_refused(container, y):
    wrap = CONTAINERS[container]
    with pytest.raises(ValueError, match=r"validation_fraction=0\.1 of .* has no score; use"):
        HornRegressor(**SETTINGS).fit(wrap(X[: len(y)]), wrap(y))


@pytest.mark.filterwarnings("ignore:The samples in .* are sorted by class")
def test_classes_are_held_out_of_more_than_one():
    rows = np.repeat(X, 20, axis=0)
    for wrap in CONTAINERS.values():
        # Sorted by class: whole blocks would be of one.
        clf = HornClassifier(**SETTINGS).fit(wrap(rows), wrap(np.arange(280) > 139))
        assert set(clf.history_.column("validation_score")) != {0.0, 1.0}
    with pytest.raises(ValueError, match="at least two classes with two samples each"):
        HornClassifier(**SETTINGS).fit(X, np.arange(14) > 12)


@pytest.mark.parametrize("container", CONTAINERS)
def test_validation_data_without_a_score_are_refused(container):
    wrap = CONTAINERS[container]
    one, several = (wrap(X[:1]), wrap(Y[:1])), (wrap(X), wrap(np.ones(14)))
    for pair, told in ((one, "1 sample;"), (several, "14 samples;")):
        with pytest.raises(
            ValueError, match=rf"validation_data: y holds one target only, in {told}"
        ):
            HornRegressor(n_rounds=1).fit(X, Y, validation_data=pair)
    with pytest.raises(ValueError, match="early_stopping needs at least two samples"):
        HornClassifier(**SETTINGS).fit(X, Y > 100, validation_data=(X[:1], Y[:1] > 100))


def test_weights_of_nothing_are_refused():
    reg = HornRegressor(hidden_layer_sizes=4, n_rounds=1).fit(X, Y)
    with pytest.raises(ValueError, match="sample_weight is 0 for all samples"):
        reg.score(X, Y, sample_weight=np.zeros(14))
