"""The estimators in pipelines, searches and cross-validation, with joblib's backends and Dask."""

from __future__ import annotations

import inspect
import threading

import dask
import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dask_horn import Dense, HornClassifier, HornRegressor

X, Y = load_iris(return_X_y=True)
SETTINGS = {"hidden_layer_sizes": (16,), "n_rounds": 2, "random_state": 0}
GRID = {"learning_rate": [1e-4, 3e-2]}


def search(**changes):
    """Fit a small grid search; return each setting's score on each fold."""
    found = GridSearchCV(HornClassifier(**SETTINGS, **changes), GRID, cv=2).fit(X, Y)
    assert found.best_params_ == {"learning_rate": 3e-2}
    return np.array([found.cv_results_[f"split{fold}_test_score"] for fold in range(2)])


@pytest.fixture(scope="module")
def scores():
    return search()


def test_a_pipeline_passes_its_parameters_on():
    pipeline = make_pipeline(StandardScaler(), HornClassifier(**SETTINGS))
    grid = {
        "hornclassifier__layers": [None, [Dense(8, activation="tanh")]],
        "hornclassifier__learning_rate": [3e-2],
    }
    found = GridSearchCV(pipeline, grid, cv=2).fit(X, Y)
    assert found.best_score_ > 0.8
    assert found.predict(X).shape == Y.shape


def test_values_are_cross_validated():
    reg = HornRegressor(**SETTINGS, learning_rate=3e-2)
    assert cross_val_score(reg, X[:, :3], X[:, 3], cv=3).shape == (3,)


@pytest.mark.cluster
def test_loky_finds_the_same(scores):
    with joblib.parallel_config("loky", n_jobs=2):
        assert_array_equal(search(), scores)


def test_threads_find_the_same_and_leave_settings_alone(scores):
    from threadpoolctl import threadpool_info

    def threads():
        return {library["filepath"]: library["num_threads"] for library in threadpool_info()}

    before = threads()
    with joblib.parallel_config("threading", n_jobs=3):
        assert_array_equal(search(), scores)
    assert threads() == before
    assert dask.config.get("scheduler", None) is None


def test_dask_workers_find_the_same(scores, client):
    with joblib.parallel_config("dask"):
        assert_array_equal(search(), scores)

    def settings_of_a_worker():
        return dask.config.get("scheduler", None)

    assert "sync" not in client.run(settings_of_a_worker).values()


def test_a_search_on_this_process_trains_on_the_cluster(scores, client):
    assert_array_equal(search(), scores)
    names = {key.split("-")[0] for key in client.run_on_scheduler(_task_prefixes)}
    assert "train" in names


def _task_prefixes(dask_scheduler):
    return list(dask_scheduler.task_prefixes)


def test_no_thread_is_left_behind():
    HornClassifier(**SETTINGS).fit(X, Y)
    before = set(threading.enumerate())
    HornClassifier(**SETTINGS).fit(X, Y)
    left = {thread for thread in threading.enumerate() if "dask-horn" in thread.name}
    assert left <= before


# scikit-learn's own callbacks, where it has them (1.9).


def callbacks():
    return pytest.importorskip("sklearn.callback", minversion=None)


class Recorder:
    """Notes what a fit tells, and may stop it after a round."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.told = []

    def setup(self, estimator, context):
        self.told.append("setup")

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.told.append(f"begin {context.task_name} {context.task_id}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        score = fitted_estimator.score(X, y)
        assert 0 <= score <= 1
        self.told.append(f"end {context.task_name} {context.task_id}")
        return context.task_name == "round" and context.task_id == self.stop_after


def test_callbacks_hear_of_each_round():
    callbacks()
    recorder = Recorder()
    HornClassifier(**SETTINGS).set_callbacks(recorder).fit(X, Y)
    rounds = [f"{what} round {i}" for i in range(2) for what in ("begin", "end")]
    assert recorder.told == ["setup", "begin fit 0", *rounds, "end fit 0", "teardown"]


def test_callbacks_may_stop_a_fit():
    callbacks()
    clf = HornClassifier(**{**SETTINGS, "n_rounds": 9}).set_callbacks(Recorder(stop_after=1))
    assert clf.fit(X, Y).n_iter_ == 2
    clf.set_callbacks()
    assert clf.fit(X, Y).n_iter_ == 9


def test_callbacks_are_torn_down_when_a_fit_fails():
    callbacks()
    recorder = Recorder()
    clf = HornClassifier(**SETTINGS).set_callbacks(recorder)
    with pytest.raises(ValueError):
        clf.fit(X, Y[:-1])
    assert recorder.told == ["setup", "begin fit 0", "teardown"]
    assert not hasattr(clf, "n_features_in_")


def test_scores_of_each_round_are_monitored_through_a_search():
    monitor = callbacks().ScoringMonitor(scoring="accuracy")
    clf = HornClassifier(**SETTINGS, learning_rate=3e-2).set_callbacks(monitor).fit(X, Y)
    told = [entry["accuracy"] for entry in monitor.get_logs().data if entry["task_name"] == "round"]
    assert told[-1] == pytest.approx(clf.score(X, Y))
    bar = callbacks().ProgressBar(max_propagation_depth=None)
    GridSearchCV(HornClassifier(**SETTINGS), GRID, cv=2).set_callbacks(bar).fit(X, Y)


def test_without_sample_weight_until_it_is_there():
    for make in (HornClassifier, HornRegressor):
        assert "sample_weight" not in inspect.signature(make.fit).parameters
        assert "no ``sample_weight``" in make.__doc__
