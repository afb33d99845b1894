"""Disks that are full or cannot be written: real ones, where the tests may mount them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import dask_horn as horn

pytestmark = pytest.mark.stores

SETTINGS = {"n_groups": 2, "n_submodels": 2, "n_rounds": 3, "steps_per_round": 5}
SETTINGS["checkpoint_every"] = 1

FULL = r"cannot be written \(No space left on device\); make room there, or choose another place"
READ_ONLY = r"cannot be written \(Read-only file system\); choose a place that can be written"


def _mount(*arguments) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this process may not mount a disk: {done.stderr.strip()}")


@pytest.fixture
def small(tmp_path):
    """A disk of 64 KiB."""
    if shutil.which("mount") is None:
        pytest.skip("there is no mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    _mount("-t", "tmpfs", "-o", "size=64k", "none", disk)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.fixture
def read_only(small):
    _mount("-o", "remount,ro", small)
    return small


@pytest.fixture
def network():
    return horn.Network([horn.Dense(512, activation="relu"), horn.Dense(3)], input_shape=8)


def _fill(disk: Path) -> None:
    with pytest.raises(OSError, match="No space left"), (disk / "full").open("wb", 0) as file:
        while True:
            file.write(b"x" * 4096)


@pytest.mark.usefixtures("on_threads_and_cluster")
def test_a_checkpoint_that_fills_the_disk(network, folder, small):
    with pytest.raises(horn.StoreError, match=rf"^checkpoint='{small}/run[^']*' {FULL}"):
        horn.train(network, folder / "samples.zarr", checkpoint=small / "run", **SETTINGS)


def test_what_is_written_to_a_full_disk(network, folder, small, samples):
    model = horn.train(network, folder / "samples.zarr", **SETTINGS).model
    _fill(small)
    with pytest.raises(horn.StoreError, match=f"^{small}/model {FULL}"):
        model.save(small / "model")
    with pytest.raises(horn.StoreError, match=f"^out='{small}/out' {FULL}"):
        model.predict(folder / "samples.zarr", out=small / "out")
    with pytest.raises(horn.StoreError, match=f"^{small}/samples {FULL}"):
        horn.write_samples(small / "samples", *samples)


@pytest.mark.cluster
def test_a_scratch_folder_that_is_full(network, small, client):
    X = np.random.default_rng(0).normal(size=(4000, 8))
    with pytest.raises(horn.ScratchError, match=f"^scratch='{small}/[^']*' {FULL}"):
        horn.train(network, X, X[:, 0] > 0, scratch=small, **SETTINGS)
    assert list(small.iterdir()) == []


def test_what_is_written_to_a_disk_that_is_read_only(network, folder, read_only, samples):
    train = horn.train
    with pytest.raises(horn.StoreError, match=f"^checkpoint='{read_only}/run' {READ_ONLY}"):
        train(network, folder / "samples.zarr", checkpoint=read_only / "run", **SETTINGS)
    model = train(network, folder / "samples.zarr", **SETTINGS).model
    with pytest.raises(horn.StoreError, match=f"^{read_only}/model {READ_ONLY}"):
        model.save(read_only / "model")
    with pytest.raises(horn.StoreError, match=f"^{read_only}/samples {READ_ONLY}"):
        horn.write_samples(read_only / "samples", *samples)


@pytest.mark.cluster
def test_a_scratch_folder_that_is_read_only(network, read_only, samples, client):
    with pytest.raises(horn.ScratchError, match=f"^scratch='{read_only}' {READ_ONLY}"):
        horn.train(network, *samples, scratch=read_only, **SETTINGS)


@pytest.mark.parametrize("option", ["--out", "--history", "--checkpoint"])
def test_the_command_is_refused_before_it_trains(folder, read_only, option):
    from tests.cli.commands import QUICK, run

    files = {"--out": folder / "model.zarr", option: read_only / "file"}
    result = run("train", folder / "samples.zarr", *QUICK, *sum(files.items(), ()))
    assert result.exit_code == 1
    named = "" if option == "--out" else f"{option} "
    last = result.output.splitlines()[-1]
    assert last.replace("'", "").startswith(
        f"Error: {named}{read_only}/file cannot be written (Read"
    )
    assert "round 1" not in result.output
