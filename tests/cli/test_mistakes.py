"""Mistakes and failures are told in a sentence, without a traceback."""

from __future__ import annotations

import numpy as np
import pytest

import dask_horn as horn
from tests.cli.commands import QUICK, SHORT, classes, done, run, values


def test_a_class_for_each_step_that_the_layers_do_not_ask_for(tmp_path):
    X, y = np.random.default_rng(0).normal(size=(40, 5, 2)), np.arange(200).reshape(40, 5) % 3
    horn.write_samples(tmp_path / "x.zarr", X, y)
    told = run("train", tmp_path / "x.zarr", "--out", tmp_path / "m.zarr", "--layers", "LSTM(4)")
    assert told.exit_code == 2
    assert "return_sequences=True in the last recurrent layer for a label per step" in told.stderr


def test_an_input_shape_in_another_order_is_refused(tmp_path):
    X, y = np.random.default_rng(0).normal(size=(40, 8, 8)), np.arange(40) % 3
    horn.write_samples(tmp_path / "x.zarr", X, y)
    options = ["--out", tmp_path / "m.zarr", "--layers", "Conv2D(2, 3), Flatten()"]
    told = run("train", tmp_path / "x.zarr", *options, "--input-shape", "4,16,1")
    assert told.exit_code == 2
    assert "--input-shape must be the samples' shape (8, 8), with or" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rounds", "0"], "--rounds must be an integer of at least 1, got 0"),
        (["--submodels", "9"], "--submodels 9 is more than the 8 units of layer 'dense_1'"),
        (["--learning-rate", "-1"], "--learning-rate must be a finite number above 0"),
        (["--hidden", "8,x"], "must be integers separated by commas"),
        (["--dropout", "1.5"], "rate"),
        (["--layers", "Dens(3)"], "--layers: unknown layer Dens; did you mean Dense?"),
        (
            ["--layers", "Dense(3, dropconnect=2)"],
            "--layers: cannot make Dense(3, dropconnect=2)",
        ),
        (["--layers", "Dense(3)", "--hidden", "9"], "--hidden cannot be used with --layers"),
        (["--layers", f"Dense(3, dropconnect=1{400 * '0'})"], "and below 1, got 1000"),
        (["--input-shape", "9"], "--input-shape"),
        (["--dropconnect", "1.5"], "dropconnect"),
        (["--validation", "nowhere.zarr"], "nowhere.zarr"),
        (["--history", "nowhere/rounds.csv"], "--history nowhere/rounds.csv"),
        (["--workers", "-1"], "--workers must be an integer of at least 0"),
        (["--scheduler", "tcp://127.0.0.1:1"], "give only one"),
        (["--optimizer", "magic"], "adamw"),
    ],
)
def test_mistakes_are_told_in_a_sentence(data, tmp_path, arguments, words):
    out = tmp_path / "m.zarr"
    settings = SHORT if "--layers" in arguments else QUICK
    result = run("train", data(classes), "--out", out, *settings, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert not out.exists()


def test_missing_data_are_told(tmp_path):
    result = run("train", tmp_path / "nothing.zarr", "--out", tmp_path / "m.zarr")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: There is no Zarr group at ")


def test_data_without_targets_are_told(tmp_path):
    horn.write_samples(str(tmp_path / "x.zarr"), np.zeros((4, 2)))
    result = run("train", tmp_path / "x.zarr", "--out", tmp_path / "m.zarr")
    assert result.exit_code == 2
    assert "no array y" in result.stderr


def test_samples_of_another_shape_are_told(data, tmp_path):
    done("train", data(classes), "--out", tmp_path / "m.zarr", *QUICK)
    horn.write_samples(str(tmp_path / "other.zarr"), np.zeros((4, 5)))
    arguments = [tmp_path / "m.zarr", tmp_path / "other.zarr", "--out", tmp_path / "p.zarr"]
    result = run("predict", *arguments)
    assert result.exit_code == 2
    assert "(5,)" in result.stderr and "(4,)" in result.stderr


def test_a_diverging_run_is_a_failure(data, tmp_path):
    arguments = ["--optimizer", "sgd", "--learning-rate", "1e30"]
    result = run("train", data(values), "--out", tmp_path / "m.zarr", *QUICK, *arguments)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: ")
