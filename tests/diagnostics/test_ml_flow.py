"""What MLflow has of a run is what the run has told."""

from __future__ import annotations

import sys

import pytest
from sklearn.datasets import load_iris

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


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ImportError, match=r"MLflow needs .*; pip install mlflow"):
        horn.MLflow()
