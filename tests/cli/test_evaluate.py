"""`dask-horn evaluate` says what the model says of itself."""

from __future__ import annotations

import numpy as np
import pytest

import dask_horn as horn
from tests.cli.commands import QUICK, SHORT, classes, done, run, values


def _told(output: str) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in output.splitlines())


@pytest.mark.parametrize("merge", ["average", "ensemble"])
def test_loss_and_accuracy_are_told(data, tmp_path, merge):
    samples, out = data(classes), tmp_path / "m.zarr"
    done("train", samples, "--out", out, "--groups", 2, "--merge", merge, *QUICK)
    score = horn.load(out).evaluate(samples)
    assert _told(done("evaluate", out, samples).stdout) == {
        "samples": "96",
        "loss": f"{score.loss:.6g} (cross_entropy)",
        "accuracy": f"{score.score:.4f}",
    }


def test_values_have_their_own_score(data, tmp_path):
    samples = data(lambda X: np.stack([values(X), X[:, 1]], axis=1))
    done("train", samples, "--out", tmp_path / "m.zarr", *QUICK)
    told = _told(done("evaluate", tmp_path / "m.zarr", samples).stdout)
    score = horn.load(tmp_path / "m.zarr").score(samples)
    assert told["R²"] == f"{score:.4f} (mean over 2 values)"
    assert told["loss"].endswith("(squared_error)")


def test_of_several_labels_all_must_be_right(data, tmp_path):
    samples = data(lambda X: (X[:, :3] > 0).astype(int))
    done("train", samples, "--out", tmp_path / "m.zarr", *QUICK)
    told = _told(done("evaluate", tmp_path / "m.zarr", samples).stdout)
    assert told["accuracy"].endswith(" (all 3 labels right)")


def test_steps_of_padding_are_not_counted(tmp_path):
    lengths = np.arange(40)[:, None] % 5 + 1
    counted = np.arange(5) < lengths
    X = np.where(counted[:, :, None], np.random.default_rng(0).normal(size=(40, 5, 2)), -9)
    horn.write_samples(tmp_path / "x.zarr", X, np.where(counted, X[:, :, 0] > 0, 7).astype(int))
    layers = "LSTM(4, return_sequences=True, mask_value=-9)"
    done("train", tmp_path / "x.zarr", "--out", tmp_path / "m.zarr", "--layers", layers, *SHORT)
    told = _told(done("evaluate", tmp_path / "m.zarr", tmp_path / "x.zarr").stdout)
    assert told["samples"] == "40"
    assert told["steps"] == f"{counted.sum()}, without padding"


def test_samples_without_targets_cannot_be_scored(data, tmp_path):
    done("train", data(classes), "--out", tmp_path / "m.zarr", *QUICK)
    horn.write_samples(str(tmp_path / "x.zarr"), np.zeros((3, 4)))
    result = run("evaluate", tmp_path / "m.zarr", tmp_path / "x.zarr")
    assert result.exit_code == 2
    assert "y" in result.stderr and "Error:" in result.stderr


def test_a_running_cluster_scores(client, data, tmp_path):
    samples, out = data(classes), tmp_path / "m.zarr"
    done("train", samples, "--out", out, *QUICK)
    here = done("evaluate", out, samples).stdout
    there = done("evaluate", out, samples, "--scheduler", client.scheduler.address).stdout
    assert there == here
