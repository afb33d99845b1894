"""A run that is interrupted keeps what it can, and says so."""

from __future__ import annotations

import signal

import numpy as np
import pytest

import dask_horn as horn
from dask_horn.diagnostics import ProgressBar
from tests.cli.commands import QUICK, classes, done, run


class _Interrupting(ProgressBar):
    """Presses Ctrl-C in a round, the second one."""

    round, signals = 2, (signal.SIGINT,)

    def on_round_end(self, record):
        super().on_round_end(record)
        if record.round == self.round:
            for number in self.signals:
                signal.raise_signal(number)


def test_interrupted_run_goes_on_from_its_checkpoint(data, tmp_path, monkeypatch):
    arguments = ["train", data(classes), *QUICK, "--rounds", 5]
    kept = [*arguments, "--checkpoint", tmp_path / "run", "--out", tmp_path / "m.zarr"]
    with monkeypatch.context() as patched:
        patched.setattr("dask_horn.cli.session.ProgressBar", _Interrupting)
        stopped = run(*kept)
    assert stopped.exit_code == 130
    last = stopped.stderr.splitlines()[-1]
    assert last == "Stopped; run the same command to resume from the checkpoint"
    assert not (tmp_path / "m.zarr").exists()

    assert "round 3 of 5" in done(*kept).stderr
    done(*arguments, "--out", tmp_path / "whole.zarr")
    resumed, whole = (horn.load(str(tmp_path / name)) for name in ("m.zarr", "whole.zarr"))
    np.testing.assert_array_equal(resumed.parameters, whole.parameters)


def test_interrupted_run_without_checkpoint_says_that_nothing_is_kept(data, tmp_path, monkeypatch):
    monkeypatch.setattr("dask_horn.cli.session.ProgressBar", _Interrupting)
    stopped = run("train", data(classes), "--out", tmp_path / "m.zarr", *QUICK, "--rounds", 5)
    assert stopped.exit_code == 130
    assert "nothing was saved" in stopped.stderr


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGUSR1, 138)])
def test_a_queue_stops_a_run_as_ctrl_c_does(data, tmp_path, monkeypatch, number, code):
    class Ended(_Interrupting):
        signals = (number, number)  # queues may send it twice

    monkeypatch.setattr("dask_horn.cli.session.ProgressBar", Ended)
    kept = ["--out", tmp_path / "m.zarr", "--checkpoint", tmp_path / "run"]
    stopped = run("train", data(classes), *QUICK, "--rounds", 5, *kept)
    assert stopped.exit_code == code
    assert stopped.stderr.splitlines()[-1] == (
        f"Stopped by {number.name}; run the same command to resume from the checkpoint"
    )


def test_a_run_whose_last_round_is_interrupted_is_complete(data, tmp_path, monkeypatch):
    class Late(_Interrupting):
        round = 5

    monkeypatch.setattr("dask_horn.cli.session.ProgressBar", Late)
    done("train", data(classes), *QUICK, "--rounds", 5, "--out", tmp_path / "m.zarr")
    assert horn.load(str(tmp_path / "m.zarr")) is not None


def test_a_second_ctrl_c_stops_at_once(data, tmp_path, monkeypatch):
    class Twice(_Interrupting):
        signals = (signal.SIGTERM, signal.SIGINT)

    monkeypatch.setattr("dask_horn.cli.session.ProgressBar", Twice)
    stopped = run("train", data(classes), *QUICK, "--rounds", 5, "--out", tmp_path / "m.zarr")
    assert stopped.exit_code == 130


def test_a_signal_before_training_ends_the_command(data, tmp_path, monkeypatch):
    def prepare(*_, **__):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("dask_horn.cli.session.train", prepare)
    stopped = run("train", data(classes), *QUICK, "--out", tmp_path / "m.zarr")
    assert stopped.exit_code == 143
    assert "Stopped by SIGTERM before the first round was done" in stopped.stderr


def test_a_job_with_little_time_gets_on_by_a_round(data, tmp_path, monkeypatch):
    def warned(*arguments, **settings):
        signal.raise_signal(signal.SIGUSR1)
        return horn.train(*arguments, **settings)

    monkeypatch.setattr("dask_horn.cli.session.train", warned)
    arguments = ["train", data(classes), *QUICK, "--rounds", 3, "--checkpoint", tmp_path / "run"]
    codes = [run(*arguments, "--out", tmp_path / "m.zarr").exit_code for _ in range(3)]
    assert codes == [138, 138, 0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_command_leaves_the_handlers_of_before(data, tmp_path, number):
    before = signal.getsignal(number)
    done("train", data(classes), "--out", tmp_path / "m.zarr", *QUICK)
    assert signal.getsignal(number) is before
