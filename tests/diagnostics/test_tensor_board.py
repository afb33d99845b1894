"""What TensorBoard reads back is what the history has."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.datasets import load_iris

import dask_horn as horn

NETWORK = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(3)], input_shape=4)


def _read(folder):
    """Numbers by tag: (step, value) of each."""
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


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "tensorboard.summary", raising=False)
    with pytest.raises(ImportError, match=r"TensorBoard needs .*; pip install tensorboard"):
        horn.TensorBoard(tmp_path)
