"""A run that is interrupted keeps what it can, and says so."""

from __future__ import annotations

import signal

import numpy as np

import dask_horn as horn
from dask_horn.diagnostics import ProgressBar
from tests.cli.commands import QUICK, classes, done, run


class _Interrupting(ProgressBar):
    """Presses Ctrl-C in the second round."""

    def on_round_end(self, record):
        super().on_round_end(record)
        if record.round == 2:
            signal.raise_signal(signal.SIGINT)


def test_interrupted_run_goes_on_from_its_checkpoint(data, tmp_path, monkeypatch):
    arguments = ["train", data(classes), *QUICK, "--rounds", 5]
    kept = [*arguments, "--checkpoint", tmp_path / "run", "--out", tmp_path / "m.zarr"]
    with monkeypatch.context() as patched:
        patched.setattr("dask_horn.cli.session.ProgressBar", _Interrupting)
        stopped = run(*kept)
    assert stopped.exit_code == 130
    last = stopped.stderr.splitlines()[-1]
    assert last == "Stopped after round 2; run the same command to resume from the checkpoint"
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


def test_interrupt_leaves_the_handler_of_before(data, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    done("train", data(classes), "--out", tmp_path / "m.zarr", *QUICK)
    assert signal.getsignal(signal.SIGINT) is before
