"""Runs that version 0.1 began go on as if they had never stopped.

`checkpoints_of_0_1.tar.xz` was made by the commit 785cf12: for each division a run of four rounds
that was stopped after two, and the parameters of the same run uninterrupted.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import dask_horn as horn

ARCHIVE = Path(__file__).with_name("checkpoints_of_0_1.tar.xz")
NETWORK = horn.Network(
    [horn.Dense(24, "relu"), horn.Dropout(0.2), horn.Dense(16, "tanh"), horn.Dense(10)], 64
)
SETTINGS = {"n_rounds": 4, "steps_per_round": 24, "batch_size": 32, "random_state": 11}
DIVISIONS = {
    "joined": {"n_submodels": [4, 4, 2, 1]},
    "groups": {"n_groups": 2, "n_submodels": 2},
    "redrawn": {"n_groups": 2, "n_submodels": 2, "redraw": True},
}


@pytest.mark.parametrize("name", DIVISIONS)
def test_a_checkpoint_of_0_1_resumes(name, tmp_path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "checkpoints_of_0_1"
    X, y = load_digits(return_X_y=True)
    result = horn.train(
        NETWORK, X[:720].astype("uint8"), y[:720], checkpoint=folder / name,
        **SETTINGS, **DIVISIONS[name],
    )  # fmt: skip
    assert result.history.column("round") == [1, 2, 3, 4]
    expected = np.load(folder / f"{name}.npy")
    # To the bit on the machine that made them; on some the cosine has other last digits. Parts,
    # rows or masks that were others are twenty times as far off.
    np.testing.assert_allclose(result.model.parameters, expected, rtol=0, atol=1e-3)
