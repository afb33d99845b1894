"""Initial values that are measured on samples are the same for all, and stay as they are."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

import dask_horn as horn
from dask_horn.records import Callback

RNG = np.random.default_rng(0)
X = np.exp(RNG.normal(size=(400, 3))) * [1, 10, 100] + [0, 5, 1000]
Y = (X[:, 0] > 1).astype(int)
GAPS = RNG.random(X.shape) < 0.1
LACKING = np.where(GAPS, np.nan, X)
BINS = 5
EDGES = "piecewise_linear_1/edges"


def _network(*first):
    layers = [horn.PiecewiseLinear(BINS), horn.Dense(12, "relu"), horn.Dense(2)]
    return horn.Network([*first, *layers], input_shape=3)


def _train(X=X, network=None, **options):
    options = {"n_rounds": 4, "steps_per_round": 3} | options
    return horn.train(network or _network(), X, Y, **options).model


def _edges(model):
    return model.network.parameters.view(model.parameters, EDGES).reshape(3, BINS + 1)


def _quantiles(rows, standardized=True):
    """Quantiles of what is present, as a user of NumPy would find them."""
    if standardized:
        rows = (rows - np.nanmean(rows, axis=0)) / np.nanstd(rows, axis=0)
    return np.nanquantile(rows, np.arange(BINS + 1) / BINS, axis=0).T


@pytest.mark.parametrize(
    "options",
    [
        {"n_submodels": 1},
        {"n_submodels": 4},
        {"n_submodels": 2, "redraw": True},
        {"n_submodels": 2, "n_groups": 2, "optimizer": "sgd"},
        {"standardize": False, "learning_rate": 1e-5},
    ],
    ids=str,
)
def test_edges_are_quantiles_of_the_training_rows(options):
    expected = _quantiles(X, options.get("standardize", True))
    np.testing.assert_allclose(_edges(_train(**options)), expected, rtol=1e-4, atol=1e-5)


def test_missing_values_are_no_part_of_them():
    network = _network(horn.MissingIndicator())
    model = _train(LACKING, network)
    np.testing.assert_allclose(_edges(model), _quantiles(LACKING), rtol=1e-4, atol=1e-5)
    stored = zarr.create_array(MemoryStore(), data=LACKING, chunks=(37, 3))
    np.testing.assert_allclose(_edges(_train(stored, network)), _edges(model), atol=1e-6)


def test_members_of_an_ensemble_have_the_same():
    first, second = _train(n_groups=2, merge="ensemble", group_data="all").members
    np.testing.assert_array_equal(_edges(first), _edges(second))
    assert not np.array_equal(first.parameters, second.parameters)


def test_a_model_that_is_trained_further_keeps_its_own():
    model = _train()
    np.testing.assert_array_equal(_edges(_train(X * 3 + 1, initial=model)), _edges(model))


def test_rows_that_are_held_out_are_not_looked_at():
    rows = zarr.create_array(MemoryStore(), data=np.sort(X, axis=0), chunks=(20, 3))
    held = _train(rows, early_stopping=True)
    assert not np.array_equal(_edges(held), _edges(_train(rows)))


class _Stop(Callback):
    def on_round_end(self, record):
        if record.round == 2:
            raise StopIteration


def test_a_run_that_is_resumed_ends_with_the_same_bits(tmp_path):
    whole = _train(n_submodels=2)
    _train(n_submodels=2, checkpoint=tmp_path / "run", callbacks=[_Stop()])
    resumed = _train(n_submodels=2, checkpoint=tmp_path / "run")
    np.testing.assert_array_equal(resumed.parameters, whole.parameters)


def test_every_scheduler_gives_the_same_bits(tmp_path):
    zarr.create_array(str(tmp_path / "x.zarr"), data=LACKING, chunks=(37, 3))
    stored, found = zarr.open_array(str(tmp_path / "x.zarr")), []
    for scheduler in ("synchronous", "threads"):
        with dask.config.set(scheduler=scheduler):
            found.append(_train(stored, _network(horn.MissingIndicator()), n_submodels=2))
    np.testing.assert_array_equal(found[0].parameters, found[1].parameters)


def test_a_saved_model_has_them(tmp_path):
    model = _train(LACKING, _network(horn.MissingIndicator((0,))))
    model.save(tmp_path / "model.zarr")
    loaded = horn.load(tmp_path / "model.zarr")
    np.testing.assert_array_equal(_edges(loaded), _edges(model))
    np.testing.assert_array_equal(loaded.predict_proba(LACKING), model.predict_proba(LACKING))
