"""What the command tells of devices, and how it trains on them."""

from __future__ import annotations

import pytest
from distributed import LocalCluster

import dask_horn as horn
from dask_horn.kernels.device import KNOWN_DEVICES
from tests.cli.commands import QUICK, classes, done, run


def test_devices_are_listed_with_what_they_lack(fake):
    fake.memory = 3 * 2**29
    lines = done("info", "--devices").output.splitlines()
    assert lines[0] == "this process"
    assert lines[1].startswith("  cpu       ")
    assert lines[-1] == "  fake      Fake 1, 1.5 GiB"
    fake.missing = "there is no Fake here"
    assert done("info", "--devices").output.endswith(
        "fake      cannot be used: " + fake.missing + "\n"
    )


def test_a_model_and_devices_are_told_together(data, tmp_path):
    done("train", data(classes), "--out", tmp_path / "m.zarr", *QUICK)
    told = done("info", tmp_path / "m.zarr", "--devices").output
    assert "trained on  cpu\n" in told
    assert "\nthis process\n  cpu " in told


@pytest.mark.cluster
def test_devices_of_a_running_clusters_workers_are_listed(fake):
    with LocalCluster(n_workers=2, processes=False, dashboard_address=":0") as cluster:
        told = done("info", "--devices", "--scheduler", cluster.scheduler_address).output
        workers = list(cluster.scheduler.workers)
    assert [line for line in told.splitlines() if line[0] != " "] == sorted(workers)
    assert told.count("  fake      Fake 1, 1.0 GiB\n") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "give MODEL.zarr, or --devices, or both"), (["m", "--scheduler", "x"], "--devices")],
)
def test_what_is_to_be_told_must_be_said(arguments, words):
    told = run("info", *arguments)
    assert told.exit_code == 2
    assert words in told.stderr


def test_an_unknown_device_is_told(data, tmp_path):
    told = run("train", data(classes), "--out", tmp_path / "m.zarr", *QUICK, "--device", "magic")
    assert told.exit_code == 2
    assert all(name in told.stderr for name in KNOWN_DEVICES)


def test_a_device_that_is_missing_is_a_mistake(fake, data, tmp_path):
    fake.missing = "there is no Fake here"
    told = run("train", data(classes), "--out", tmp_path / "m.zarr", *QUICK, "--device", "fake")
    assert told.exit_code == 2
    assert "this process cannot use it (there is no Fake here)" in told.stderr


def test_a_run_is_trained_on_the_device_that_is_named(fake, data, tmp_path):
    done("train", data(classes), "--out", tmp_path / "m.zarr", *QUICK, "--device", "fake")
    assert horn.load(tmp_path / "m.zarr").device == "fake"
    assert fake.together
