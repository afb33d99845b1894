"""Samples on disk for the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dask_horn as horn


@pytest.fixture
def data(tmp_path: Path):
    """Write samples whose targets are made of them; return the group's path."""

    def write(make_y, name: str = "data.zarr", n: int = 96) -> str:
        X = np.random.default_rng(0).normal(size=(n, 4))
        horn.write_samples(str(tmp_path / name), X, make_y(X))
        return str(tmp_path / name)

    return write
