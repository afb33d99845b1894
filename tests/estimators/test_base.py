"""What fitting does for both estimators, on samples in memory."""

from __future__ import annotations

import os
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from dask.tokenize import tokenize
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, train_test_split

import dask_horn as horn
from dask_horn import Dense, DivergedError, Ensemble, HornClassifier, HornRegressor, Model
from tests.estimators.iris import ESTIMATORS, NAMES, SMALL, VALUES, VALUES_X, X, Y


def test_what_fitting_has_found():
    frame = pd.DataFrame(X, columns=list("abcd"))
    clf = HornClassifier(**SMALL).fit(frame, NAMES)
    assert (clf.n_features_in_, clf.n_outputs_, clf.n_iter_) == (4, 3, 4)
    assert clf.feature_names_in_.tolist() == list("abcd")
    assert [record.round for record in clf.history_] == [1, 2, 3, 4]
    assert clf.loss_ == clf.history_[-1].loss < clf.history_[0].loss
    assert isinstance(clf.model_, Model)
    with pytest.raises(ValueError, match="same order"):
        clf.predict(frame[list("dcba")])


@ESTIMATORS
def test_the_same_seed_gives_the_same_bits(make):
    first, second, other = (
        make(**{**SMALL, "random_state": seed}).fit(X, Y).model_.parameters.tobytes()
        for seed in (1, 1, 2)
    )
    assert first == second != other


def test_random_states_are_drawn_from_once_per_fit():
    state = np.random.RandomState(5)
    clf = HornClassifier(**{**SMALL, "random_state": state})
    first, second = (
        clf.fit(X, Y).model_.parameters.tobytes(),
        clf.fit(X, Y).model_.parameters.tobytes(),
    )
    assert first != second
    again = HornClassifier(**{**SMALL, "random_state": np.random.RandomState(5)}).fit(X, Y)
    assert again.model_.parameters.tobytes() == first
    HornClassifier(**{**SMALL, "random_state": None}).fit(X, Y)


def test_an_estimator_trains_as_the_function_does():
    network = horn.Network([Dense(16, activation="relu"), Dense(3)], input_shape=4)
    settings = {k: v for k, v in SMALL.items() if k not in ("hidden_layer_sizes", "activation")}
    result = horn.train(network, X, Y, **settings)
    clf = HornClassifier(**SMALL, dropout=0.0).fit(X, Y)
    assert_array_equal(clf.model_.parameters, result.model.parameters)


def test_ensembles_tell_their_spread():
    settings = {**SMALL, "merge": "ensemble", "n_groups": 3, "group_data": "all"}
    clf = HornClassifier(**settings).fit(X, Y)
    assert isinstance(clf.model_, Ensemble)
    assert len(clf.model_.members) == 3
    assert clf.score(X, Y) > 0.9
    assert not hasattr(clf, "partial_fit")
    mean, std = HornRegressor(**settings).fit(VALUES_X, VALUES).predict(VALUES_X, return_std=True)
    assert mean.shape == std.shape == VALUES.shape
    assert (std > 0).all()


def test_validation_data_are_scored_after_each_round():
    train_x, held_x, train_y, held_y = train_test_split(X, NAMES, random_state=0, stratify=NAMES)
    clf = HornClassifier(**SMALL).fit(train_x, train_y, validation_data=(held_x, held_y))
    scores = clf.history_.column("validation_score")
    assert len(scores) == 4
    assert scores[-1] == pytest.approx(clf.score(held_x, held_y))
    with pytest.raises(ValueError, match="validation_data: X has 2 features, but Horn"):
        clf.fit(train_x, train_y, validation_data=(held_x[:, :2], held_y))
    with pytest.raises(ValueError, match=r"validation_data: .*'rose', which is not among"):
        clf.fit(train_x, train_y, validation_data=(held_x, np.full(len(held_x), "rose")))
    with pytest.raises(TypeError, match="validation_data must be a pair"):
        clf.fit(train_x, train_y, validation_data=held_x)


def test_early_stopping_ends_before_all_rounds():
    clf = HornClassifier(
        **{**SMALL, "n_rounds": 40},
        early_stopping=True,
        n_iter_no_change=2,
        validation_fraction=0.2,
    ).fit(X, Y)
    assert clf.n_iter_ < 40
    assert clf.history_[-1].validation_score is not None


def test_fitting_goes_on_from_a_saved_model(tmp_path):
    first = HornClassifier(**{**SMALL, "n_rounds": 8}).fit(X * 1000, NAMES)
    first.model_.save(tmp_path / "model.zarr")
    saved = horn.load(tmp_path / "model.zarr")
    two_kinds = NAMES != "setosa"
    again = HornClassifier(**{**SMALL, "n_rounds": 1, "learning_rate": 1e-4})
    again.fit(X[two_kinds] * 1000, NAMES[two_kinds], initial=saved)
    assert again.classes_.tolist() == first.classes_.tolist()
    assert_array_equal(again.model_.standardizer.mean, saved.standardizer.mean)
    assert (again.predict(X * 1000) == first.predict(X * 1000)).mean() > 0.95
    assert again.history_[0].loss < np.log(3) / 2  # log 3 is what an untrained model has


def test_what_cannot_be_gone_on_from_is_told():
    model = HornClassifier(**SMALL).fit(X, Y).model_
    with pytest.raises(
        ValueError, match=r"initial has the network Network.*pass layers=initial.network"
    ):
        HornClassifier(hidden_layer_sizes=(8,)).fit(X, Y, initial=model)
    with pytest.raises(ValueError, match="initial has the network Network"):
        HornRegressor(**SMALL).fit(X, np.stack([Y, Y, Y], axis=1), initial=model)
    with pytest.raises(ValueError, match="which is not among the classes"):
        HornClassifier(**SMALL).fit(X, Y + 1, initial=model)
    with pytest.raises(ValueError, match="merge='ensemble' starts each member anew"):
        HornClassifier(**SMALL, merge="ensemble").fit(X, Y, initial=model)
    with pytest.raises(TypeError, match="initial must be a Model, got str"):
        HornClassifier(**SMALL).fit(X, Y, initial="model.zarr")


def test_clip_norm_bounds_how_far_a_step_goes():
    def after(clip_norm):
        clf = HornClassifier(**SMALL, optimizer="sgd", weight_decay=0.0, clip_norm=clip_norm)
        return clf.partial_fit(X, Y, classes=[0, 1, 2]).model_.parameters

    still = after(1e-12)
    assert np.linalg.norm(after(1e-9) - still) < 1e-6
    assert np.linalg.norm(after(None) - still) > 0.1


@ESTIMATORS
def test_a_failed_fit_leaves_nothing_behind(make, monkeypatch):
    estimator = make(**SMALL)
    before = dict(vars(estimator))
    for samples, y in ((X[:, :3], Y[:-1]), (np.where(X > 7, np.nan, X), Y), (X, None)):
        with pytest.raises(ValueError):
            estimator.fit(samples, y)
        assert vars(estimator) == before
        with pytest.raises(NotFittedError):
            estimator.predict(X)
    estimator.fit(X, Y)
    predicted = estimator.predict(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numbers overflow on their way to NaN
        estimator.set_params(optimizer="sgd", learning_rate=1e30, momentum=0.0)
        with pytest.raises(DivergedError):
            estimator.fit(X[:, :2], Y)
    assert estimator.n_features_in_ == 4
    assert_array_equal(estimator.predict(X), predicted)


def test_a_checkpoint_is_gone_on_from(tmp_path):
    settings = {**SMALL, "checkpoint": str(tmp_path / "run")}
    whole = HornClassifier(**settings).fit(X, Y)
    assert (
        HornClassifier(**settings).fit(X, Y).model_.parameters.tobytes()
        == whole.model_.parameters.tobytes()
    )
    other = HornClassifier(**{**settings, "learning_rate": 0.5}).fit(X, Y)
    assert other.model_.parameters.tobytes() != whole.model_.parameters.tobytes()
    assert len([name for name in os.listdir(tmp_path / "run") if name.startswith("run-")]) == 2


def test_the_fits_of_a_search_have_checkpoints_of_their_own(tmp_path):
    """Each candidate, fold and refit is another run; a second search finds them all done."""
    estimator = HornClassifier(**SMALL, checkpoint=str(tmp_path / "run"))
    search = GridSearchCV(estimator, {"learning_rate": [1e-3, 3e-2]}, cv=2, error_score="raise")
    search.fit(X, Y)
    runs = os.listdir(tmp_path / "run")
    assert len([name for name in runs if name.startswith("run-")]) == 5
    again = clone(search).fit(X, Y)
    assert sorted(os.listdir(tmp_path / "run")) == sorted(runs)
    alone = clone(estimator).set_params(checkpoint=None, **search.best_params_).fit(X, Y)
    assert_array_equal(search.predict_proba(X), alone.predict_proba(X))
    assert_array_equal(again.predict_proba(X), alone.predict_proba(X))


def test_progress_is_shown_when_asked_for(capsys):
    HornClassifier(**SMALL).fit(X, Y)
    assert capsys.readouterr() == ("", "")
    HornClassifier(**SMALL, verbose=True).fit(X, Y)
    told = capsys.readouterr()
    assert "4" in told.out + told.err


@ESTIMATORS
def test_clones_and_pickles(make):
    estimator = make(**SMALL, layers=[Dense(8, activation="relu")]).fit(X, Y)
    copy = clone(estimator)
    assert repr(copy) == repr(estimator)
    assert not hasattr(copy, "model_")
    again = pickle.loads(pickle.dumps(estimator))
    assert_array_equal(again.predict(X), estimator.predict(X))
    again.partial_fit(X, Y)
    assert again.n_iter_ == 5


def test_dask_tells_one_fit_from_another():
    """Tasks that take an estimator are not mixed up: its fields alone would not tell."""
    unfitted = HornClassifier(**SMALL)
    fitted = clone(unfitted).fit(X, Y)
    other = clone(unfitted).fit(X, Y[::-1])
    assert len({tokenize(estimator) for estimator in (unfitted, fitted, other)}) == 3
    assert tokenize(unfitted) == tokenize(HornClassifier(**SMALL))
