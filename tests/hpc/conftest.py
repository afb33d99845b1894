"""A Slurm for the session, samples that its nodes share, and what training on them gives."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from sklearn.datasets import load_digits

import dask_horn as horn
from tests.hpc.slurm import Slurm, missing


@pytest.fixture(scope="session")
def slurm():
    """A Slurm of this process's own: parallel tests start one each."""
    if missing():
        pytest.skip(missing())
    folder = Path(tempfile.mkdtemp(prefix="dask-horn-slurm-", dir="/var/tmp"))
    slurm = Slurm(folder)
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def data(slurm):
    """Path of samples of ten classes."""
    X, y = load_digits(return_X_y=True)
    horn.write_samples(str(slurm.folder / "digits.zarr"), X[:300], y[:300])
    return str(slurm.folder / "digits.zarr")


@pytest.fixture
def out(slurm, request):
    """Where a test's model goes."""
    return slurm.folder / f"{request.node.name.replace('[', '-').rstrip(']')}.zarr"
