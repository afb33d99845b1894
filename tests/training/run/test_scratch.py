"""A folder that all workers share: asked for only where there is no other way."""

from __future__ import annotations

import os
from types import SimpleNamespace

import dask
import numpy as np
import pytest
import zarr
from sklearn.datasets import load_digits

import dask_horn as horn
from dask_horn.errors import UnsharedError
from dask_horn.training.run.keeper import Keeper
from dask_horn.training.tasks.storage import Saved, load_saved

pytestmark = pytest.mark.cluster

NETWORK = horn.Network([horn.Dense(24, activation="relu"), horn.Dense(10)], input_shape=64)
SETTINGS = {
    "n_groups": 2,
    "n_submodels": 2,
    "n_rounds": 6,
    "steps_per_round": 20,
    "checkpoint_every": 2,
}
NOWHERE = "memory://node"  # as the /tmp of a node: every process has its own


@pytest.fixture
def apart(client):
    """Workers that do not see the client's temporary directory, as on other nodes."""
    with dask.config.set({"temporary-directory": NOWHERE}):
        yield client


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    location = str(tmp_path_factory.mktemp("data") / "digits.zarr")
    horn.write_samples(location, *load_digits(return_X_y=True))
    return location


@pytest.fixture(scope="module")
def expected(samples):
    return horn.train(NETWORK, samples, **SETTINGS).model.parameters


def test_stored_samples_need_none(samples, expected, apart):
    result = horn.train(NETWORK, samples, **SETTINGS)
    assert np.array_equal(result.model.parameters, expected)


@pytest.mark.parametrize("merge", ["average", "ensemble"])
def test_the_best_round_is_kept_without_one(samples, apart, merge):
    X, y = load_digits(return_X_y=True)
    validation = zarr.array(X[:200]), zarr.array(y[:200])
    settings = {**SETTINGS, "early_stopping": True, "merge": merge, "validation_data": validation}
    with dask.config.set(scheduler="sync"):
        here = horn.train(NETWORK, samples, **settings)
    there = horn.train(NETWORK, samples, **settings)
    assert there.best_round == here.best_round
    assert np.array_equal(there.model.predict(X), here.model.predict(X))


def test_a_model_is_gone_on_from_without_one(samples, apart):
    before = horn.train(NETWORK, samples, **SETTINGS).model
    after = horn.train(NETWORK, samples, initial=before, **SETTINGS)
    with dask.config.set(scheduler="sync"):
        here = horn.train(NETWORK, samples, initial=before, **SETTINGS)
    assert np.array_equal(after.model.parameters, here.model.parameters)


def test_with_a_checkpoint_it_is_made_there(apart, tmp_path):
    X, y = load_digits(return_X_y=True)
    seen = []

    class Look(horn.Callback):
        def on_round_end(self, record):
            seen.append(len(os.listdir(tmp_path / "run" / "scratch")))

    horn.train(NETWORK, X, y, checkpoint=tmp_path / "run", callbacks=[Look()], **SETTINGS)
    assert set(seen) == {1}
    assert not os.listdir(tmp_path / "run" / "scratch")


def test_a_checkpoint_beside_an_abandoned_scratch_folder_is_free(samples, tmp_path):
    os.makedirs(tmp_path / "run" / "scratch" / "dask-horn-1")
    horn.train(NETWORK, samples, checkpoint=tmp_path / "run", **SETTINGS)


def test_samples_in_memory_need_one(apart):
    X, y = load_digits(return_X_y=True)
    classifier = horn.HornClassifier(hidden_layer_sizes=(16,), n_rounds=2, random_state=0)
    with pytest.raises(horn.ScratchError, match="pass scratch= a folder or URL that every worker"):
        classifier.fit(X, y)


def test_a_folder_of_the_users_serves_estimators(apart, tmp_path):
    X, y = load_digits(return_X_y=True)
    settings = {"hidden_layer_sizes": (16,), "n_rounds": 2, "random_state": 0}
    there = horn.HornClassifier(**settings, scratch=str(tmp_path)).fit(X, y)
    with dask.config.set(scheduler="sync"):
        here = horn.HornClassifier(**settings).fit(X, y)
    assert np.array_equal(there.predict_proba(X), here.predict_proba(X))
    assert not os.listdir(tmp_path)


def test_a_folder_that_the_user_names_is_looked_at_first(samples, client):
    with pytest.raises(horn.ScratchError, match=f"scratch='{NOWHERE}"):
        horn.train(NETWORK, samples, scratch=NOWHERE, **SETTINGS)


def test_where_a_worker_comes_that_does_not_see_it_parents_pass_through_the_client(
    samples, expected, client, monkeypatch
):
    """As on a cluster that adapts, from workers on the client's machine to others."""
    failed = []

    def unseen(keeper, saved):
        if isinstance(saved, Saved) and saved.round == 4 and not failed:
            failed.append(saved)
            raise UnsharedError(f"scratch={saved.location!r} is not seen by all workers")
        return load(keeper, saved)

    load = Keeper.load
    monkeypatch.setattr(Keeper, "load", unseen)
    told, hold = [], Keeper.hold
    monkeypatch.setattr(Keeper, "hold", lambda keeper: told.append(hold(keeper)))
    result = horn.train(NETWORK, samples, **SETTINGS)
    assert failed and told
    assert np.array_equal(result.model.parameters, expected)


def test_a_part_that_is_not_seen_is_told(tmp_path):
    spec = SimpleNamespace(merge_rule="mean")
    with pytest.raises(UnsharedError, match="is not seen by all workers; pass scratch= or check"):
        load_saved(spec, Saved(f"{tmp_path}/rounds-00002", 2, n_parts=1), 0, 0)
