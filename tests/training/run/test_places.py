"""Where a run reads and writes, and in which order it takes its arguments."""

from __future__ import annotations

import os

import numpy as np
import pytest

import dask_horn as horn
from tests.cli.commands import run as command

NETWORK = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(2)], input_shape=4)
X = np.random.default_rng(0).normal(size=(96, 4))
Y = (X[:, 0] > 0).astype("int64")
SHORT = {"n_rounds": 1, "n_submodels": 1, "random_state": 0}


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "home"
    assert os.listdir(tmp_path / "here") == []


def test_a_tilde_is_the_home_folder_everywhere(home):
    horn.write_samples("~/samples.zarr", X, Y)
    result = horn.train(
        NETWORK,
        "~/samples.zarr",
        validation_data="~/samples.zarr",
        checkpoint="~/run",
        callbacks=[horn.JSONLines("~/run.jsonl")],
        **SHORT,
    )
    result.model.save("~/model.zarr")
    result.history.to_csv("~/rounds.csv")
    horn.load("~/model.zarr").predict("~/samples.zarr", out="~/out.zarr")
    for arguments in (
        ["train", "~/samples.zarr", "--out", "~/second.zarr", "--checkpoint", "~/command"],
        ["predict", "~/model.zarr", "~/samples.zarr", "--out", "~/command.zarr"],
    ):
        small = ["--rounds", "1", "--hidden", "8", "--workers", "0", "--history", "~/c.csv"]
        outcome = command(*arguments, *(small if arguments[0] == "train" else []))
        assert outcome.exit_code == 0, outcome.output
    assert {"run", "run.jsonl", "rounds.csv", "out.zarr", "second.zarr", "command", "c.csv"} <= set(
        os.listdir(home)
    )


def test_predictions_are_replaced_only_when_asked_for(home):
    horn.write_samples("~/samples.zarr", X, Y)
    horn.train(NETWORK, X, Y, **SHORT).model.save("~/model.zarr")
    arguments = ["predict", "~/model.zarr", "~/samples.zarr", "--out", "~/out.zarr"]
    assert command(*arguments).exit_code == 0
    again = command(*arguments)
    assert again.exit_code == 2
    assert "holds predictions already; pass --overwrite to replace them" in again.output
    assert command(*arguments, "--overwrite").exit_code == 0


def test_a_history_replaces_only_a_history(home):
    history = horn.train(NETWORK, X, Y, **SHORT).history
    path = home / "rounds.csv"
    history.to_csv(path)
    history.to_csv(path)
    path.write_text("name,age\nme,1\n")
    with pytest.raises(FileExistsError, match="is no history of a training; choose another"):
        history.to_csv(path)
    history.to_csv(path, overwrite=True)
    assert path.read_text() == history.to_csv()


@pytest.mark.parametrize("call", [horn.train, horn.training_graph])
def test_arguments_in_another_order_are_told(call):
    for arguments in ((X, Y, NETWORK), (X, NETWORK, Y)):
        with pytest.raises(TypeError, match="the network comes first, then X and y, got"):
            call(*arguments)
    with pytest.raises(TypeError, match=r"network is a HornClassifier; call its fit\(X, y\)"):
        call(horn.HornClassifier(), X, Y)
    with pytest.raises(TypeError, match=r"make it dask_horn.Network\(layers, input_shape"):
        call([horn.Dense(2)], X, Y)


@pytest.mark.parametrize("argument", ["checkpoint", "scratch"])
def test_a_place_that_is_none_is_told(argument):
    with pytest.raises(TypeError, match=f"{argument} is a int; pass the path or URL"):
        horn.train(NETWORK, X, Y, **{argument: 3}, **SHORT)
    with pytest.raises(ValueError, match=f"{argument} is empty"):
        horn.train(NETWORK, X, Y, **{argument: ""}, **SHORT)
