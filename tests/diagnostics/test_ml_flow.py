"""What MLflow has of a run is what the run has told."""

from __future__ import annotations

import logging
import sys

import joblib
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

import dask_horn as horn

NETWORK = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(3)], input_shape=4)
X, Y = load_iris(return_X_y=True)


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    """MLflow that keeps its runs in a folder of the test's own."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # for mlflow-skinny has no database
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow = pytest.importorskip("mlflow")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    yield mlflow
    assert mlflow.active_run() is None
    mlflow.set_tracking_uri(before)


def _runs(mlflow):
    client = mlflow.MlflowClient()
    return client, client.search_runs([one.experiment_id for one in client.search_experiments()])


def test_a_run_of_its_own_has_settings_and_curves(mlflow):
    result = horn.train(
        NETWORK, X, Y, validation_data=(X, Y), n_rounds=3, early_stopping=True,
        callbacks=[horn.MLflow("first")],
    )  # fmt: skip
    client, (run,) = _runs(mlflow)
    assert run.info.run_name == "first"
    assert run.info.status == "FINISHED"
    assert run.data.params["n_rounds"] == "3"
    assert run.data.params["n_parameters"] == str(NETWORK.parameters.n_parameters)
    assert run.data.tags["ending"] == result.ending
    assert run.data.metrics["best_round"] == result.best_round
    for name in ("loss", "validation_loss", "validation_score"):
        logged = client.get_metric_history(run.info.run_id, name)
        assert [one.step for one in logged] == [1, 2, 3]
        assert [one.value for one in logged] == pytest.approx(result.history.column(name))


def test_an_active_run_is_logged_into_and_left_open(mlflow):
    with mlflow.start_run() as active:
        horn.train(NETWORK, X, Y, n_rounds=2, callbacks=[horn.MLflow()])
        assert mlflow.active_run().info.run_id == active.info.run_id
    _, (run,) = _runs(mlflow)
    assert run.info.run_id == active.info.run_id
    assert "loss" in run.data.metrics and "validation_loss" not in run.data.metrics


@pytest.mark.parametrize("error, status", [(KeyboardInterrupt, "KILLED"), (RuntimeError, "FAILED")])
def test_a_run_that_fails_is_marked(mlflow, error, status):
    class Fail(horn.Callback):
        def on_round_end(self, record):
            raise error

    with pytest.raises(error):
        horn.train(NETWORK, X, Y, n_rounds=2, callbacks=[horn.MLflow(), Fail()])
    _, (run,) = _runs(mlflow)
    assert run.info.status == status
    assert "after round 1" in run.data.tags["ending"]


def test_a_mistake_in_the_samples_leaves_no_run(mlflow):
    with pytest.raises(ValueError, match="NaN"):
        horn.train(NETWORK, X * float("nan"), Y, callbacks=[horn.MLflow()])
    assert _runs(mlflow)[1] == []


def test_a_second_training_that_is_refused_leaves_the_first_as_it_was(mlflow):
    with mlflow.start_run():
        result = horn.train(NETWORK, X, Y, n_rounds=2, callbacks=[horn.MLflow()])
        with pytest.raises(mlflow.exceptions.MlflowException, match="Changing param values"):
            horn.train(NETWORK, X, Y, n_rounds=3, callbacks=[horn.MLflow()])
    _, (run,) = _runs(mlflow)
    assert run.data.tags["ending"] == result.ending
    assert run.data.params["n_rounds"] == "2"


def test_fits_of_a_grid_search_in_threads_have_runs_of_their_own(mlflow):
    clf = horn.HornClassifier(hidden_layer_sizes=8, n_rounds=4, random_state=0)
    clf.set_callbacks(horn.MLflow())
    grid = {"learning_rate": [0.01, 0.02]}
    with joblib.parallel_backend("threading"):
        GridSearchCV(clf, grid, cv=2, n_jobs=4, error_score="raise").fit(X, Y)
    client, runs = _runs(mlflow)
    assert len(runs) == 5
    for run in runs:
        assert run.info.status == "FINISHED" and run.data.tags["ending"].startswith("4 rounds in ")
        logged = client.get_metric_history(run.info.run_id, "loss")
        assert [one.step for one in logged] == [1, 2, 3, 4]


@pytest.mark.parametrize("failing, steps", [([2], [1, 3, 4, 5, 6]), ([2, 3, 4], [1])])
def test_a_server_that_fails_ends_no_training(mlflow, monkeypatch, caplog, failing, steps):
    log_metrics = mlflow.log_metrics

    def failing_then(values, step, run_id):
        if step in failing:
            raise mlflow.exceptions.MlflowException("the server is away")
        log_metrics(values, step=step, run_id=run_id)

    monkeypatch.setattr(mlflow, "log_metrics", failing_then)
    with caplog.at_level(logging.WARNING, "dask_horn"):
        horn.train(NETWORK, X, Y, n_rounds=6, callbacks=[horn.MLflow()])
    client, (run,) = _runs(mlflow)
    assert run.info.status == "FINISHED"
    assert [one.step for one in client.get_metric_history(run.info.run_id, "loss")] == steps
    (warning,) = [one for one in caplog.messages if one.startswith("MLflow could not log to ")]
    assert run.info.run_id in warning and "the server is away" in warning


def test_settings_that_are_refused_end_the_run_before_it_trains(mlflow, monkeypatch):
    def refuse(settings):
        raise mlflow.exceptions.MlflowException("no such settings")

    monkeypatch.setattr(mlflow, "log_params", refuse)
    with pytest.raises(mlflow.exceptions.MlflowException, match="no such settings"):
        horn.train(NETWORK, X, Y, n_rounds=2, callbacks=[horn.MLflow()])
    _, (run,) = _runs(mlflow)
    assert run.info.status == "FAILED" and run.data.metrics == {}


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ImportError, match=r"MLflow needs .*; pip install mlflow"):
        horn.MLflow()
