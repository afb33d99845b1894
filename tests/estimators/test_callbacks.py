"""Estimators take the library's callbacks and scikit-learn's by one door; they show a fit."""

from __future__ import annotations

import importlib.util
import pickle
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import dask_horn as horn
from dask_horn import HornClassifier, HornRegressor
from dask_horn.estimators import callbacks
from tests.estimators.iris import X, Y

SETTINGS = {"hidden_layer_sizes": 8, "n_rounds": 3, "random_state": 0}


class Count(horn.Callback):
    """Notes the rounds that it hears of, and the end."""

    def __init__(self):
        self.heard = []

    def on_round_end(self, record):
        self.heard.append(record.round)

    def on_run_end(self, result):
        self.heard.append(result.ending.split(" in ")[0])


class Theirs:
    """Follows scikit-learn's protocol."""

    def __init__(self):
        self.heard = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.heard.append(context.task_name)


@pytest.mark.parametrize("kind", [HornClassifier, HornRegressor])
def test_the_librarys_callbacks_hear_of_a_fit(kind):
    count = Count()
    kind(**SETTINGS).set_callbacks(count).fit(X, Y)
    assert count.heard == [1, 2, 3, "3 rounds"]


def test_both_kinds_hear_of_the_same_fit():
    pytest.importorskip("sklearn.callback", minversion=None)
    count, theirs = Count(), Theirs()
    clf = HornClassifier(**SETTINGS).set_callbacks(theirs, count)
    clf.fit(X, Y)
    assert count.heard == [1, 2, 3, "3 rounds"]
    assert theirs.heard == ["round"] * 3 + ["fit"]
    clf.set_callbacks().fit(X, Y)
    assert len(count.heard) == 4 and len(theirs.heard) == 4


def test_a_callback_may_stop_a_fit():
    class Stop(horn.Callback):
        def on_round_end(self, record):
            raise StopIteration("enough")

    clf = HornClassifier(**SETTINGS).set_callbacks(Stop()).fit(X, Y)
    assert clf.n_iter_ == clf.best_round_ == 1


def test_clones_have_the_same_callbacks():
    pytest.importorskip("sklearn.callback", minversion=None)
    count = Count()
    clf = clone(HornClassifier(**SETTINGS).set_callbacks(count))
    GridSearchCV(clf, {"dropout": [0.0, 0.1]}, cv=2).fit(X, Y)
    assert count.heard == [1, 2, 3, "3 rounds"] * 5


def test_clones_have_the_same_callbacks_before_scikit_learn_had_any(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    spec = importlib.util.spec_from_file_location("callbacks_before", callbacks.__file__)
    before = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(before)

    class Plain:
        """Clones as BaseEstimator did: without callbacks."""

        def __sklearn_clone__(self):
            return type(self)()

    class Estimator(before.CallbackSupport, Plain):
        pass

    count = Count()
    cloned = clone(clone(Estimator().set_callbacks(count)))
    assert before.begin_fit(cloned, X, Y) == [count]
    assert before.begin_fit(clone(Estimator()), X, Y) == []


def test_callbacks_travel_with_an_estimator(tmp_path):
    clf = HornClassifier(**SETTINGS).set_callbacks(horn.JSONLines(tmp_path / "run.jsonl"))
    pickle.loads(pickle.dumps(clf)).fit(X, Y)
    assert (tmp_path / "run.jsonl").read_text().count('"RoundMerged"') == 3


def test_partial_fit_tells_nobody():
    count = Count()
    HornClassifier(**SETTINGS).set_callbacks(count).partial_fit(X, Y, classes=np.unique(Y))
    assert count.heard == []


@pytest.mark.parametrize("wrong", [print, Count, [Count()], None, "JSONLines"])
def test_what_is_no_callback_is_refused_when_it_is_set(wrong):
    with pytest.raises(TypeError, match=r"instances of dask_horn\.Callback, or of scikit-learn's"):
        HornClassifier().set_callbacks(wrong)


def test_a_constructor_says_where_callbacks_are_set():
    with pytest.raises(TypeError, match=r"set them by HornRegressor\(\.\.\.\)\.set_callbacks\("):
        HornRegressor(callbacks=[Count()])


def test_without_early_stopping_the_model_is_that_of_the_last_round():
    clf = HornClassifier(**SETTINGS).fit(X, Y, validation_data=(X, Y))
    assert clf.best_round_ == clf.n_iter_ == 3
    clf.partial_fit(X, Y)
    assert clf.best_round_ == clf.n_iter_ == 4


def test_with_early_stopping_the_model_is_that_of_the_best_round():
    settings = SETTINGS | {"early_stopping": True, "n_iter_no_change": 2, "n_rounds": 40}
    clf = HornClassifier(**settings, learning_rate=0.05).fit(X, Y, validation_data=(X, Y))
    scores = clf.history_.column("validation_score")
    assert scores[clf.best_round_ - 1] == max(scores) == pytest.approx(clf.score(X, Y))
    assert clf.best_round_ == 1 + scores.index(max(scores)) < clf.n_iter_


def test_verbose_shows_a_fit_from_its_beginning_to_its_end(capsys):
    clf = HornClassifier(**SETTINGS, verbose=True).fit(X, Y)
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == "copying the samples into Zarr"
    assert shown[-1].startswith(f"{clf.n_iter_} rounds in ")
    clf.partial_fit(X, Y)
    assert capsys.readouterr().err.splitlines()[-1].startswith("1 round in ")
