"""A checkpoint bears what passes."""

from __future__ import annotations

import errno

import numpy as np

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
