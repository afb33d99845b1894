"""`tune="quick"`: what is tried, what is chosen, and what becomes of the user's own settings."""

from __future__ import annotations

import logging
import pickle

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_friedman1
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils.validation import check_is_fitted

import dask_horn as horn
from dask_horn import Callback, Dense, Dropout, HornClassifier, HornRegressor
from dask_horn.estimators import tuning
from dask_horn.estimators.tuning import Trial
from tests.estimators.iris import ESTIMATORS, NAMES, VALUES, VALUES_X, X, Y

# Presets still differ in their dropout.
TINY = {"hidden_layer_sizes": (8,), "n_rounds": 2, "random_state": 0, "tune": "quick"}
MIXED = np.random.default_rng(0).permutation(len(X))  # stored as they are, they come by class
DATA = {HornClassifier: (X[MIXED], NAMES[MIXED]), HornRegressor: (VALUES_X, VALUES)}


def names(estimator):
    return [trial.preset for trial in estimator.tuning_]


@pytest.fixture(scope="module", params=DATA)
def fitted(request):
    return request.param(**TINY).fit(*DATA[request.param])


def test_the_fit_is_that_of_the_chosen_preset(fitted):
    X, y = DATA[type(fitted)]
    (chosen,) = [trial for trial in fitted.tuning_ if trial.preset == fitted.preset_]
    same = clone(fitted).set_params(tune=None, **chosen.changes).fit(X, y)
    assert_array_equal(same.predict(X), fitted.predict(X))
    assert same.history_[-1].loss == fitted.loss_
    assert not hasattr(same, "tuning_")


def test_each_preset_is_scored_on_rows_that_it_has_not_seen(fitted):
    X, y = DATA[type(fitted)]
    assert names(fitted)[:2] == ["default", "strong"]
    for trial in fitted.tuning_:
        assert 0.14 * len(X) <= trial.n_samples <= 0.17 * len(X)
        alone = clone(fitted).set_params(
            tune=None, early_stopping=True, validation_fraction=0.15, **trial.changes
        )
        record = alone.fit(X, y).history_[-1]
        assert (trial.loss, trial.score) == (record.validation_loss, record.validation_score)
        assert trial.seconds > 0


def test_the_chosen_preset_is_not_worse_on_held_out_rows_than_the_default(fitted):
    by_name = {trial.preset: trial for trial in fitted.tuning_}
    assert by_name[fitted.preset_].loss <= by_name["default"].loss


def trial(preset, loss, n_samples=100):
    return Trial(preset, {}, loss, 0.5, n_samples, 1.0)


def test_only_what_is_better_beyond_chance_takes_the_place_of_the_default():
    def chosen(loss, n_samples):
        return tuning._best([trial("default", 1.0), trial("strong", loss, n_samples)]).preset

    assert chosen(0.97, 100) == "default"
    assert chosen(0.97, 10_000) == "strong"
    assert chosen(0.5, 100) == "strong"
    assert chosen(float("inf"), 100) == "default"
    diverged = trial("default", float("inf"), 0)
    assert tuning._best([diverged, trial("strong", 1.0)]).preset == "strong"
    assert tuning._best([diverged, diverged]).preset == "default"


def test_an_exact_function_is_learned_better_than_by_default():
    X, y = make_friedman1(1500, noise=0.0, random_state=0)
    settings = {"hidden_layer_sizes": (64,), "random_state": 0}
    default = HornRegressor(**settings).fit(X[:500], y[:500])
    tuned = HornRegressor(**settings, tune="quick").fit(X[:500], y[:500])
    errors = [1 - one.score(X[500:], y[500:]) for one in (default, tuned)]
    assert tuned.preset_ != "default"
    assert errors[1] < 0.8 * errors[0]


def test_parameters_that_are_set_are_kept():
    clf = HornClassifier(**TINY, dropout=0.2, numeric_encoding=None).fit(X, Y)
    assert clf.tuning_ == ()
    assert clf.preset_ == "default"
    assert Dropout(0.2) in clf.model_.network.layers
    assert (
        clf.get_params() == HornClassifier(**TINY, dropout=0.2, numeric_encoding=None).get_params()
    )
    some = HornClassifier(**TINY | {"n_rounds": 16}, dropout=0.2, numeric_encoding=None).fit(X, Y)
    assert [trial.changes for trial in some.tuning_] == [{}, {"n_rounds": 24}]


def test_layers_and_a_model_to_continue_from_keep_their_form():
    settings = {"random_state": 0, "tune": "quick"}
    layers = [Dense(8, "relu"), Dropout(0.05)]
    clf = HornClassifier(**settings, layers=layers).fit(X, Y)
    assert [trial.changes for trial in clf.tuning_] == [{}, {"n_rounds": 24}]
    assert clf.model_.network.layers == (*layers, Dense(3))
    more = HornClassifier(**settings, layers=layers).fit(X, Y, initial=clf.model_)
    assert [trial.changes for trial in more.tuning_] == [{}, {"n_rounds": 24}]


def test_what_changes_nothing_is_not_tried():
    X, y = make_friedman1(500, random_state=0)
    assert names(HornRegressor(**TINY).fit(X, y)) == ["default", "strong", "plain"]
    for few in (
        HornRegressor(**TINY).fit(X[:300], y[:300]),  # too few to encode
        HornRegressor(**TINY, standardize=False).fit(X, y),
    ):
        assert names(few) == ["default", "strong"]


@ESTIMATORS
def test_validation_data_decide_where_there_are_some(make):
    X, y = DATA[make]
    reg = make(**TINY).fit(X, y, validation_data=(X[::3], y[::3]))
    assert {trial.n_samples for trial in reg.tuning_} == {len(X[::3])}
    chosen = {trial.preset: trial for trial in reg.tuning_}[reg.preset_]
    assert chosen.loss == reg.history_[-1].validation_loss  # all rows have trained


def test_early_stopping_stays_as_it_is_asked_for():
    settings = TINY | {"n_rounds": 12, "early_stopping": True, "n_iter_no_change": 1}
    clf = HornClassifier(**settings, validation_fraction=0.3, learning_rate=0.05).fit(X, Y)
    assert {trial.n_samples for trial in clf.tuning_} == {45}
    chosen = {trial.preset: trial for trial in clf.tuning_}[clf.preset_]
    assert chosen.score == clf.history_.best_score
    assert clf.n_iter_ < 12


def test_dask_and_zarr_arrays_are_tuned_on(tmp_path, fitted):
    make = type(fitted)
    X, y = DATA[make]
    chunked = make(**TINY).fit(da.from_array(X, chunks=(40, -1)), da.from_array(y, chunks=40))
    assert names(chunked) == names(fitted)
    path = str(tmp_path / "data.zarr")
    group = zarr.open_group(path, mode="w")
    group.create_array("X", data=X, chunks=(20, X.shape[1]))
    group.create_array("y", data=np.unique(y, return_inverse=True)[1], chunks=(20,))
    for samples in (path, group):
        assert names(make(**TINY).fit(samples)) == names(fitted)


def test_missing_values_are_tuned_on():
    gappy = X.copy()
    gappy[::7, 1] = np.nan
    assert HornClassifier(**TINY, missing="indicator").fit(gappy, Y).preset_ is not None


def test_the_scheduler_changes_nothing(fitted):
    X, y = DATA[type(fitted)]
    with dask.config.set(scheduler="synchronous"):
        alone = clone(fitted).fit(X, y)
    assert [one.loss for one in alone.tuning_] == [one.loss for one in fitted.tuning_]
    assert_array_equal(alone.predict(X), fitted.predict(X))


def test_a_cluster_changes_nothing(client, fitted):
    X, y = DATA[type(fitted)]
    there = clone(fitted).fit(X, y)
    assert [one.loss for one in there.tuning_] == [one.loss for one in fitted.tuning_]
    assert_array_equal(there.predict(X), fitted.predict(X))


def test_partial_fit_goes_on_with_what_was_chosen(fitted):
    X, y = DATA[type(fitted)]
    more = pickle.loads(pickle.dumps(fitted))
    more._chosen_changes = {
        "hidden_layer_sizes": (99,),
        "n_rounds": 5,
    }  # set: they count for nothing
    assert more.partial_fit(X, y).n_iter_ == fitted.n_iter_ + 1
    assert more.preset_ == fitted.preset_


def test_partial_fit_keeps_the_form_that_was_chosen(monkeypatch):
    deep = tuning.Preset("deep", {"hidden_layer_sizes": (8, 8, 8)})
    monkeypatch.setattr(tuning, "PRESETS", (tuning.PRESETS[0], deep))
    monkeypatch.setattr(tuning, "_best", lambda trials: trials[-1])
    clf = HornClassifier(n_rounds=2, random_state=0, tune="quick").fit(X, Y)
    network = clf.model_.network
    assert clf.preset_ == "deep"
    assert clf.partial_fit(X, Y).model_.network == network
    assert clf.get_params()["hidden_layer_sizes"] == (256, 256)
    first = HornClassifier(**TINY).partial_fit(X, Y, classes=np.unique(Y))
    assert not hasattr(first, "tuning_")


def test_it_is_a_parameter_like_any_other(fitted):
    X, y = DATA[type(fitted)]
    again = pickle.loads(pickle.dumps(fitted))
    assert again.tuning_ == fitted.tuning_
    assert_array_equal(again.predict(X), fitted.predict(X))
    assert clone(fitted).get_params() == fitted.get_params() == type(fitted)(**TINY).get_params()
    with pytest.raises(NotFittedError):
        check_is_fitted(clone(fitted))
    found = GridSearchCV(type(fitted)(**TINY), {"tune": [None, "quick"]}, cv=2).fit(X, y)
    assert hasattr(found.best_estimator_, "model_")
    again.set_params(tune=None).fit(X, y)
    assert not hasattr(again, "tuning_") and not hasattr(again, "preset_")


def test_a_stream_of_random_numbers_seeds_all_candidates_alike():
    seeds = [np.random.RandomState(3) for _ in range(2)]
    settings = [TINY | {"random_state": seed} for seed in seeds]
    first, second = (HornClassifier(**one).fit(X, Y) for one in settings)
    assert [one.loss for one in first.tuning_] == [one.loss for one in second.tuning_]
    assert first.get_params()["random_state"] is seeds[0]
    assert seeds[0].randint(2**31 - 1) != np.random.RandomState(3).randint(2**31 - 1)


def test_each_candidate_has_a_checkpoint_of_its_own(tmp_path, fitted):
    X, y = DATA[type(fitted)]
    kept = clone(fitted).set_params(checkpoint=str(tmp_path / "runs")).fit(X, y)
    again = clone(kept).fit(X, y)  # each of its runs is done already
    assert kept.preset_ == again.preset_ == fitted.preset_
    assert [one.loss for one in again.tuning_] == [one.loss for one in fitted.tuning_]
    assert_array_equal(again.predict(X), fitted.predict(X))


class Rounds(Callback):
    def __init__(self):
        self.seen = []

    def on_round_end(self, record):
        self.seen.append(record.round)


def test_callbacks_hear_of_the_last_fit_alone():
    rounds = Rounds()
    HornClassifier(**TINY).set_callbacks(rounds).fit(X, Y)
    assert rounds.seen == [1, 2]


def test_it_is_told_what_is_tried_and_what_was_chosen(capsys, caplog):
    with caplog.at_level(logging.INFO, "dask_horn"):
        clf = HornClassifier(**TINY, verbose=True).fit(X, Y)
    shown = capsys.readouterr().err.splitlines()
    wanted = ["trying preset 'default'", "trying preset 'strong' (dropout=0.3)"]
    wanted += [f"training with preset {clf.preset_!r}"]
    for words in wanted:
        assert any(line.startswith(words) for line in shown)
        assert any(line.startswith(words) for line in caplog.messages)
    HornClassifier(**TINY).fit(X, Y)
    assert capsys.readouterr().err == ""


@ESTIMATORS
def test_other_choices_are_refused(make):
    for tune, kind in (("slow", ValueError), (5, TypeError)):
        estimator = make(tune=tune)
        with pytest.raises(kind, match=f"tune must be 'quick' or None, got {tune!r}"):
            estimator.fit(*DATA[make])
        assert not hasattr(estimator, "n_features_in_")
    with pytest.raises(ValueError, match="tune must be 'quick' or None, got 'slow'"):
        HornRegressor(tune="slow").partial_fit(VALUES_X, VALUES)


def test_too_few_rows_are_told_by_the_name_of_what_needs_them():
    reg = HornRegressor(**TINY)
    with pytest.raises(ValueError, match=r"tune='quick' holds rows out: .* at least four samples"):
        reg.fit(VALUES_X[:3], VALUES[:3])
    assert not hasattr(reg, "n_features_in_")


def test_a_preset_that_diverges_is_not_chosen_and_mistakes_leave_nothing_behind():
    clf = HornClassifier(**TINY, optimizer="sgd", learning_rate=1e30)
    with pytest.raises(horn.DivergedError):
        clf.fit(X, Y)
    assert (
        clf.get_params() == HornClassifier(**TINY, optimizer="sgd", learning_rate=1e30).get_params()
    )
    assert not hasattr(clf, "model_") and not hasattr(clf, "tuning_")
