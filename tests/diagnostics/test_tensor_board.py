"""What TensorBoard reads back is what the history has."""

from __future__ import annotations

import errno
import logging
import sys

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

import dask_horn as horn

NETWORK = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(3)], input_shape=4)


def _read(folder):
    """Numbers by tag, (step, value) of each, of the only run in a folder."""
    (folder,) = folder.iterdir()
    return _read_run(folder)


def _read_run(folder):
    assert folder.is_dir()
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from tensorboard.util import tensor_util

    events = accumulators.EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: [
            (e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in events.Tensors(tag)
        ]
        for tag in events.Tags()["tensors"]
    }


def test_curves_are_those_of_the_history(tmp_path):
    pytest.importorskip("tensorboard")
    X, y = load_iris(return_X_y=True)
    history = horn.train(
        NETWORK, X, y, validation_data=(X, y), n_rounds=3, callbacks=[horn.TensorBoard(tmp_path)]
    ).history
    curves = _read(tmp_path)
    for tag, name in (
        ("loss/training", "loss"),
        ("loss/validation", "validation_loss"),
        ("score/validation", "validation_score"),
        ("speed/seconds per round", "seconds"),
    ):
        steps, values = zip(*curves[tag], strict=True)
        assert steps == (1, 2, 3)
        np.testing.assert_allclose(values, history.column(name), rtol=1e-6)


def test_a_resumed_run_goes_on_with_its_curves(tmp_path):
    pytest.importorskip("tensorboard")

    class Stop(horn.Callback):
        def on_round_end(self, record):
            raise StopIteration

    X, y = load_iris(return_X_y=True)
    board, settings = (
        horn.TensorBoard(tmp_path / "b"),
        {"n_rounds": 3, "checkpoint": tmp_path / "c"},
    )
    horn.train(NETWORK, X, y, callbacks=[board, Stop()], **settings)
    horn.train(NETWORK, X, y, callbacks=[board], **settings)
    curves = _read(tmp_path / "b")
    assert [step for step, _ in curves["loss/training"]] == [1, 2, 3]
    assert "loss/validation" not in curves


def test_each_run_has_a_folder(tmp_path):
    pytest.importorskip("tensorboard")
    X, y = load_iris(return_X_y=True)
    board = horn.TensorBoard(tmp_path)
    for n_rounds in (2, 3):
        horn.train(NETWORK, X, y, n_rounds=n_rounds, callbacks=[board])
    steps = [len(_read_run(folder)["loss/training"]) for folder in tmp_path.iterdir()]
    assert sorted(steps) == [2, 3]


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_fits_of_a_grid_search_are_told_apart(tmp_path, backend):
    pytest.importorskip("tensorboard")
    X, y = load_iris(return_X_y=True)
    clf = horn.HornClassifier(hidden_layer_sizes=8, n_rounds=4, random_state=0)
    clf.set_callbacks(horn.TensorBoard(tmp_path))
    with joblib.parallel_backend(backend):
        GridSearchCV(clf, {"dropout": [0.0, 0.1]}, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    curves = [_read_run(folder)["loss/training"] for folder in tmp_path.iterdir()]
    assert len(curves) == 5
    assert all([step for step, _ in one] == [1, 2, 3, 4] for one in curves)


@pytest.mark.parametrize("failing, steps", [([2], [1, 3, 4, 5, 6]), ([2, 3, 4], [1])])
def test_a_write_that_fails_ends_no_training(tmp_path, monkeypatch, caplog, failing, steps):
    writer = pytest.importorskip("tensorboard.summary").Writer
    add_scalar = writer.add_scalar

    def failing_then(self, tag, value, step, **settings):
        if step in failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        add_scalar(self, tag, value, step, **settings)

    monkeypatch.setattr(writer, "add_scalar", failing_then)
    X, y = load_iris(return_X_y=True)
    with caplog.at_level(logging.WARNING, "dask_horn"):
        horn.train(NETWORK, X, y, n_rounds=6, callbacks=[horn.TensorBoard(tmp_path)])
    (warning,) = caplog.messages
    assert warning.startswith(f"TensorBoard could not log to {tmp_path}")
    assert "No space left on device" in warning
    assert [step for step, _ in _read(tmp_path)["loss/training"]] == steps


def test_a_folder_that_cannot_be_written_is_told_before_training(tmp_path, caplog):
    pytest.importorskip("tensorboard")
    (tmp_path / "file").touch()
    X, y = load_iris(return_X_y=True)
    with pytest.raises(OSError, match="file"):
        horn.train(NETWORK, X, y, callbacks=[horn.TensorBoard(tmp_path / "file")])
    assert caplog.messages == []


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "tensorboard.summary", raising=False)
    with pytest.raises(ImportError, match=r"TensorBoard needs .*; pip install tensorboard"):
        horn.TensorBoard(tmp_path)
