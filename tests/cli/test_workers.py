"""The command on clusters: a running one, its own, and one that is not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial

import pytest
import zarr
from distributed import LocalCluster

from dask_horn.cli.scheduler_file import address_of
from dask_horn.cli.workers import working
from tests.cli.commands import QUICK, ROOT, classes, done, run


def test_a_silent_scheduler_is_told(data, tmp_path, monkeypatch):
    monkeypatch.setattr("dask_horn.cli.workers._PATIENCE", "100ms")
    arguments = ["--out", tmp_path / "m.zarr", "--scheduler", "tcp://127.0.0.1:1"]
    result = run("train", data(classes), *arguments)
    assert result.exit_code == 2
    assert "no Dask scheduler answers at --scheduler tcp://127.0.0.1:1" in result.stderr


def _train_at(scheduler, data, tmp_path):
    return run("train", data(classes), "--out", tmp_path / "m.zarr", "--scheduler", scheduler)


def test_a_scheduler_file_that_nobody_writes_is_told(data, tmp_path, monkeypatch):
    monkeypatch.setattr("dask_horn.cli.scheduler_file._WORD_AFTER", 0.1)
    monkeypatch.setattr("dask_horn.cli.scheduler_file._PATIENCE", 0.5)
    file = tmp_path / "cluster.json"
    result = _train_at(file, data, tmp_path)
    assert result.exit_code == 2
    assert f"Waiting for a scheduler to write {file} …\n" in result.stderr
    assert f"--scheduler {file}: no scheduler has written its address there" in result.stderr


def test_another_file_is_no_scheduler_file(data, tmp_path):
    file = tmp_path / "cluster.json"
    file.write_text("[1, 2]")
    result = _train_at(file, data, tmp_path)
    assert result.exit_code == 2
    assert f"--scheduler {file} must be an address or a file that" in result.stderr


def test_a_scheduler_file_of_a_scheduler_that_is_gone_is_told(data, tmp_path, monkeypatch):
    monkeypatch.setattr("dask_horn.cli.workers._PATIENCE", "100ms")
    file = tmp_path / "cluster.json"
    file.write_text('{"address": "tcp://127.0.0.1:1"}')
    result = _train_at(file, data, tmp_path)
    assert result.exit_code == 2
    assert f"--scheduler {file} (which says tcp://127.0.0.1:1)" in result.stderr


def test_a_scheduler_file_may_be_read_while_it_is_written(tmp_path, monkeypatch):
    file = tmp_path / "cluster.json"
    content = '{"address": "tcp://10.0.0.1:8786", "id": "Scheduler-1"}'
    steps = ["", content[:9], content]

    def pause(_):
        file.write_text(steps.pop(0))

    monkeypatch.setattr("dask_horn.cli.scheduler_file.time.sleep", pause)
    assert address_of(str(file)) == "tcp://10.0.0.1:8786"
    assert steps == []


@pytest.mark.cluster
def test_a_running_cluster_is_joined_and_left_running(data, tmp_path):
    samples, model = data(classes), tmp_path / "m.zarr"
    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster:
        joined = ["--scheduler", cluster.scheduler_address]
        done("train", samples, "--out", model, *QUICK[:-2], *joined)
        done("predict", model, samples, "--out", tmp_path / "p.zarr", *joined)
        assert len(cluster.scheduler_info["workers"]) == 1
    assert zarr.open_group(tmp_path / "p.zarr", mode="r")["y"].shape == (96,)


@pytest.mark.cluster
@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal to a process group")
def test_ctrl_c_in_a_terminal_with_a_cluster(data, tmp_path):
    """A terminal's Ctrl-C reaches the workers too; they must live on to save the checkpoint."""
    command = [sys.executable, "-W", "error", "-m", "dask_horn", "train", data(classes)]
    command += ["--out", "m.zarr", "--checkpoint", "run", "--workers", "1", "--hidden", "8"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [*command, "--rounds", "500", "--steps-per-round", "5"],
        cwd=tmp_path, env=environment, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("round 50 of 500"):
                os.killpg(process.pid, signal.SIGINT)
                break
        rest = process.stdout.read()
    assert process.returncode == 130, rest
    assert "Traceback" not in rest and "Warning" not in rest
    assert "run the same command to resume from the checkpoint" in rest.splitlines()[-1]


@pytest.mark.cluster
@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
def test_a_worker_that_is_started_again_does_not_hear_signals_either(monkeypatch):
    # On a port of its own: Dask leaves a socket open where it finds the usual one taken.
    quiet = partial(LocalCluster, dashboard_address=":0")
    monkeypatch.setattr("distributed.LocalCluster", quiet)
    with working(None, 1, 1) as client:
        first = client.submit(os.getpid, pure=False).result()
        os.kill(first, signal.SIGKILL)
        second = client.submit(os.getpid, pure=False).result()
        assert second != first
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            os.kill(second, number)
        assert client.submit(os.getpid, pure=False).result() == second


@pytest.mark.cluster
@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGUSR1, 138)])
def test_a_signal_while_the_workers_start_ends_the_command(
    data, tmp_path, monkeypatch, number, code
):
    class Signalled(LocalCluster):
        def __init__(self, **settings):
            super().__init__(**settings, dashboard_address=":0")
            signal.raise_signal(number)

    monkeypatch.setattr("distributed.LocalCluster", Signalled)
    ended = run("train", data(classes), "--out", tmp_path / "m.zarr", *QUICK[:-2], "--workers", 1)
    assert ended.exit_code == code
    assert ended.stderr.splitlines()[-1] == (
        f"Stopped by {number.name} before the first round was done"
    )
    assert signal.getsignal(number) is signal.SIG_DFL
