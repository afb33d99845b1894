"""A checkpoint bears what passes."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dask_horn as horn
from dask_horn.data.store import retrying
from dask_horn.training.run import checkpoint
from dask_horn.training.tasks import storage

NETWORK = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(2)], input_shape=4)
X = np.random.default_rng(0).normal(size=(96, 4))
Y = (X[:, 0] > 0).astype("int64")


def test_a_checkpoint_is_written_again_after_a_passing_fault(tmp_path, monkeypatch, caplog):
    """Once while the model is written, and once while it is pointed at."""
    faults = {"sync": 2, "replacing": 3}
    monkeypatch.setattr(retrying, "PAUSES", (0.001,) * 3)

    def failing(module, name):
        do = getattr(module, name)

        def fails(*given, **named):
            faults[name] -= 1
            if faults[name] == 0:
                raise OSError(errno.EIO, "lost")
            return do(*given, **named)

        monkeypatch.setattr(module, name, fails)

    failing(storage, "sync")
    failing(checkpoint, "replacing")
    settings = {"n_rounds": 3, "checkpoint_every": 1, "checkpoint": tmp_path / "run"}
    result = horn.train(NETWORK, X, Y, **settings)
    monkeypatch.undo()
    assert faults["sync"] < 0 and faults["replacing"] < 0
    told = [record.getMessage() for record in caplog.records if "trying again" in record.message]
    assert all(words.startswith(f"checkpoint='{tmp_path}/run") for words in told) and told
    resumed = horn.train(NETWORK, X, Y, **settings)
    np.testing.assert_array_equal(resumed.model.parameters, result.model.parameters)
    assert len(list((tmp_path / "run" / "rounds").iterdir())) == 2  # and no part of one


class _Waits(horn.Callback):
    """Stays in its first round until another run has been refused."""

    def __init__(self):
        self.begun, self.goes_on = threading.Event(), threading.Event()

    def on_round_end(self, record):
        self.begun.set()
        self.goes_on.wait(60)


def test_a_second_run_at_a_checkpoint_in_use_is_refused(tmp_path):
    waits, settings = _Waits(), {"n_rounds": 2, "checkpoint": tmp_path / "run"}
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(horn.train, NETWORK, X, Y, callbacks=[waits], **settings)
        try:
            assert waits.begun.wait(60)
            with pytest.raises(ValueError, match="is in use by another run of this process"):
                horn.train(NETWORK, X, Y, **settings)
        finally:
            waits.goes_on.set()
        parameters = first.result().model.parameters
    again = horn.train(NETWORK, X, Y, **settings)
    np.testing.assert_array_equal(again.model.parameters, parameters)


def test_an_estimator_goes_on_with_a_run_that_has_the_folder_to_itself(tmp_path):
    """As versions before wrote it, and `train` does."""
    settings = {"n_rounds": 2, "n_submodels": 1, "random_state": 0}
    network = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(2)], input_shape=4)
    whole = horn.train(network, X, Y, checkpoint=tmp_path / "run", **settings)
    names = sorted(os.listdir(tmp_path / "run"))
    estimator = horn.HornClassifier(
        hidden_layer_sizes=8,
        activation="relu",
        dropout=0.0,
        checkpoint=str(tmp_path / "run"),
        **settings,
    )
    np.testing.assert_array_equal(estimator.fit(X, Y).model_.parameters, whole.model.parameters)
    assert sorted(os.listdir(tmp_path / "run")) == names
    estimator.set_params(n_rounds=1).fit(X, Y)
    assert len(os.listdir(tmp_path / "run")) == len(names) + 1
