"""The way from data to predictions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import zarr

import dask_horn as horn
from tests.cli.commands import QUICK, SHORT, classes, done, run, values


def test_classes_are_trained_told_and_predicted(data, tmp_path):
    names = np.array(["ant", "bee", "cat"])
    samples = data(lambda X: names[classes(X)])
    model, predicted = tmp_path / "m.zarr", tmp_path / "p.zarr"
    trained = done("train", samples, "--out", model, "--groups", 2, *QUICK)
    assert "96 samples of 4 float64, 3 classes" in trained.stderr
    assert "round 2 of 2" in trained.stderr
    assert trained.stdout == f"Saved {model}\n"

    told = done("info", model).output
    assert "output      3 classes: ant, bee, cat" in told
    assert "4-8-3" not in told
    assert "total" in told and "67" in told  # 4·8 + 8 + 8·3 + 3
    assert f"dask_horn {horn.__version__}" in told

    assert "96 samples" in done("predict", model, samples, "--out", predicted).output
    labels = zarr.open_group(predicted, mode="r")["y"][...]
    np.testing.assert_array_equal(labels, np.asarray(horn.load(str(model)).predict(samples)))

    done("predict", model, samples, "--out", predicted, "--proba", "--overwrite")
    probabilities = zarr.open_group(predicted, mode="r")["y"][...]
    assert probabilities.shape == (96, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_floats_are_values(data, tmp_path):
    told = done("train", data(values), "--out", tmp_path / "m.zarr", *QUICK).stderr
    assert "loss squared_error" in told
    shown = done("info", tmp_path / "m.zarr").output
    assert "output      1 value\n" in shown
    assert "temperature" not in shown


def test_integers_are_values_where_one_says_so(data, tmp_path):
    samples = data(lambda X: np.round(10 * X[:, :2]).astype(int))
    out = tmp_path / "m.zarr"
    told = done("train", samples, "--out", out, "--regression", *QUICK).stderr
    assert "2 values" in told and "4-8-2" in told


def test_missing_values_are_trained_on_where_one_says_so(data, tmp_path):
    samples, out = data(classes), tmp_path / "m.zarr"
    array = zarr.open_group(samples)["X"]
    rows = array[...]
    rows[::7, 1] = np.nan
    array[...] = rows
    refused = run("train", samples, "--out", out, *QUICK)
    assert refused.exit_code == 2
    assert "X holds NaN at sample 0, feature 1" in refused.stderr
    told = done("train", samples, "--out", out, "--missing", "indicator", *QUICK).stderr
    assert "at most" in told
    model = horn.load(str(out))
    assert model.network.layers[0] == horn.MissingIndicator((1,))
    assert model.predict(rows).shape == (96,)
    assert done("evaluate", out, samples).exit_code == 0
    own = ["--layers", "MissingIndicator((0, 1)), Dense(8)", "--rounds", 1]
    done("train", samples, "--out", out, "--overwrite", "--missing", "indicator", *own)
    assert horn.load(str(out)).network.layers[0] == horn.MissingIndicator((0, 1))


def test_rows_of_integers_are_labels(data, tmp_path):
    samples = data(lambda X: (X[:, :3] > 0).astype(int))
    told = done("train", samples, "--out", tmp_path / "m.zarr", *QUICK).stderr
    assert "3 labels" in told and "loss binary_cross_entropy" in told
    assert "output      3 labels\n" in done("info", tmp_path / "m.zarr").output
    shown = done("info", tmp_path / "m.zarr").output
    assert "temperature 1 (not calibrated)\n" in shown
    assert "trained on  cpu\n" in shown


def test_the_temperature_of_a_calibrated_model_is_shown(data, tmp_path):
    samples, out = data(classes), tmp_path / "m.zarr"
    done("train", samples, "--out", out, *QUICK)
    model = dataclasses.replace(horn.load(out), temperature=1.25)
    model.save(out, overwrite=True)
    assert "temperature 1.25 (calibrated)\n" in done("info", out).output


def test_an_ensemble_has_members(data, tmp_path):
    arguments = ["--groups", 3, "--merge", "ensemble", "--group-data", "all"]
    done("train", data(classes), "--out", tmp_path / "m.zarr", *arguments, *QUICK)
    assert "3 members" in done("info", tmp_path / "m.zarr").output


def test_options_reach_the_network_and_the_run(data, tmp_path):
    out, history = tmp_path / "m.zarr", tmp_path / "rounds.csv"
    held_out = data(classes, "held.zarr", n=32)
    arguments = ["--activation", "tanh", "--dropout", 0.3, "--submodels", "4,2,1"]
    arguments += ["--dropconnect", 0.25, "--validation", held_out, "--history", history]
    done("train", data(classes), "--out", out, *arguments, *QUICK, "--rounds", 4)
    network = horn.load(str(out)).network
    hidden = horn.Dense(8, activation="tanh", dropconnect=0.25)
    assert network.layers == (hidden, horn.Dropout(0.3), horn.Dense(3))
    heading, *rounds = history.read_text().splitlines()
    columns = [dict(zip(heading.split(","), line.split(","), strict=True)) for line in rounds]
    assert [row["n_submodels"] for row in columns] == ["4", "2", "1", "1"]
    assert 0 <= float(columns[-1]["validation_score"]) <= 1


def test_layers_as_python_makes_them(data, tmp_path):
    out = tmp_path / "m.zarr"
    layers = "Dropout(0.1), Dense(9, activation='tanh', name='first'), Dense(6)"
    told = done("train", data(classes), "--out", out, "--layers", layers, *SHORT).stderr
    assert "-9-6-3: " in told
    hidden = (horn.Dropout(0.1), horn.Dense(9, activation="tanh", name="first"), horn.Dense(6))
    assert horn.load(str(out)).network.layers == (*hidden, horn.Dense(3))


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_a_target_for_each_step(tmp_path, kind):
    lengths = np.arange(40)[:, None] % 5 + 1
    counted = np.arange(5) < lengths
    X = np.where(counted[:, :, None], np.random.default_rng(0).normal(size=(40, 5, 2)), -9)
    y = np.where(counted, (X[:, :, 0] > 0) + 1.0, 7)
    horn.write_samples(tmp_path / "x.zarr", X, y.astype(int) if kind == "classes" else y)
    layers = "LSTM(4, return_sequences=True, mask_value=-9)"
    out, predicted = tmp_path / "m.zarr", tmp_path / "y.zarr"
    told = done("train", tmp_path / "x.zarr", "--out", out, "--layers", layers, *SHORT).stderr
    what = "2 classes" if kind == "classes" else "1 value"
    assert f"{what} for each of 5 steps" in told
    shown = done("info", out).stdout
    assert "for each of 5 steps" in shown
    done("predict", out, tmp_path / "x.zarr", "--out", predicted)
    labels = zarr.open_group(predicted, mode="r")["y"][...]
    assert labels.shape == (40, 5)
    assert kind == "values" or set(labels.ravel()) <= {1, 2}


def test_a_model_is_replaced_only_when_told_so(data, tmp_path):
    samples, out = data(classes), tmp_path / "m.zarr"
    done("train", samples, "--out", out, *QUICK)
    refused = run("train", samples, "--out", out, *QUICK)
    assert refused.exit_code == 2
    assert refused.stderr == f"Error: {out} is already a model; pass --overwrite to replace it\n"
    done("train", samples, "--out", out, "--overwrite", *QUICK, "--seed", 1)


def test_seed_decides(data, tmp_path):
    samples = data(classes)
    trained = []
    for name, seed in [("a", 3), ("b", 3), ("c", 4)]:
        done("train", samples, "--out", tmp_path / name, *QUICK, "--seed", seed)
        trained.append(horn.load(str(tmp_path / name)).parameters)
    np.testing.assert_array_equal(trained[0], trained[1])
    assert not np.array_equal(trained[0], trained[2])
