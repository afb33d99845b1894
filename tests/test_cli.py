"""The command line: what it writes, what it says, how it fails, and how it stops."""

from __future__ import annotations

import dataclasses
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner, Result
from distributed import LocalCluster

import dask_horn as horn
from dask_horn.cli import main
from dask_horn.diagnostics import ProgressBar
from dask_horn.kernels.device import KNOWN_DEVICES
from dask_horn.program import RULES
from dask_horn.training.plan.merge_rules import MERGES

ROOT = Path(__file__).parents[1]
SHORT = ["--rounds", "2", "--steps-per-round", "5", "--workers", "0"]
QUICK = ["--hidden", "8", *SHORT]


def run(*arguments: object) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def done(*arguments: object) -> Result:
    """Run a command that ought to succeed."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def data(tmp_path: Path):
    """Write samples whose targets are made of them; return the group's path."""

    def write(make_y, name: str = "data.zarr", n: int = 96) -> str:
        X = np.random.default_rng(0).normal(size=(n, 4))
        horn.write_samples(str(tmp_path / name), X, make_y(X))
        return str(tmp_path / name)

    return write


def classes(X):
    return (X[:, 0] > 0).astype("int64") + (X[:, 1] > 0)


def values(X):
    return 100 * X[:, 0]


# Help


def test_help_loads_nothing_heavy():
    code = (
        "import sys, dask_horn.cli; "
        "print({'dask', 'matplotlib', 'numba', 'numpy', 'rich', 'zarr'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    assert found.stdout.decode().strip() == "set()"


def test_help_tells_the_commands_and_how_to_begin():
    words = done("--help").output
    for name in ("demo", "train", "predict", "info"):
        assert f"\n  {name} " in words
    assert "\n    dask-horn demo\n" in words


@pytest.mark.parametrize("command", ["demo", "train", "predict", "info"])
def test_help_of_each_command_is_in_sections(command):
    words = done(command, "--help").output
    assert words.startswith(f"Usage: main {command} [OPTIONS]")
    assert "--debug" not in words
    assert max(map(len, words.splitlines())) <= 100


def test_help_of_train_shows_sections_defaults_and_examples():
    words = done("train", "-h").output
    sections = [line for line in words.splitlines() if line.endswith(":") and line[0] != " "]
    assert sections == [
        "Files:", "Network:", "Division:", "Training:", "Cluster:", "Other:", "Examples:",
    ]  # fmt: skip
    assert "[default: 256,256]" in words
    assert "\n  dask-horn train DATA.zarr --out MODEL.zarr\n" in words


def test_defaults_and_choices_are_those_of_the_library():
    settings = main.commands["train"].make_context("train", ["DATA", "--out", "MODEL"]).params
    options = horn.TrainingOptions()
    shared = {name: value for name, value in settings.items() if hasattr(options, name)}
    assert shared.pop("n_submodels") == (options.n_submodels,)
    assert shared == {name: getattr(options, name) for name in shared}
    assert len(shared) > 8
    shown = {option.name: option.type for option in main.commands["train"].params}
    assert set(shown["optimizer"].choices) == set(RULES)
    assert shown["device"].choices == KNOWN_DEVICES
    assert shown["merge"].choices == MERGES
    classifier = horn.HornClassifier()
    for name, given in [("hidden", "hidden_layer_sizes"), ("activation",) * 2, ("dropout",) * 2]:
        assert settings[name] == getattr(classifier, given)


def test_version():
    assert done("--version").output == f"dask-horn, version {horn.__version__}\n"


# The way from data to predictions


def test_classes_are_trained_told_and_predicted(data, tmp_path):
    names = np.array(["ant", "bee", "cat"])
    samples = data(lambda X: names[classes(X)])
    model, predicted = tmp_path / "m.zarr", tmp_path / "p.zarr"
    trained = done("train", samples, "--out", model, "--groups", 2, *QUICK)
    assert "96 samples of 4 float64, 3 classes" in trained.stderr
    assert "round 2 of 2" in trained.stderr
    assert trained.stdout == f"Saved {model}\n"

    told = done("info", model).output
    assert "output      one of 3 classes: ant, bee, cat" in told
    assert "4-8-3" not in told
    assert "total" in told and "67" in told  # 4·8 + 8 + 8·3 + 3
    assert f"dask_horn {horn.__version__}" in told

    assert "96 samples" in done("predict", model, samples, "--out", predicted).output
    labels = zarr.open_group(predicted, mode="r")["y"][...]
    np.testing.assert_array_equal(labels, np.asarray(horn.load(str(model)).predict(samples)))

    done("predict", model, samples, "--out", predicted, "--proba")
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


def test_rows_of_integers_are_labels(data, tmp_path):
    samples = data(lambda X: (X[:, :3] > 0).astype(int))
    told = done("train", samples, "--out", tmp_path / "m.zarr", *QUICK).stderr
    assert "3 labels" in told and "loss binary_cross_entropy" in told
    assert "3 labels, each 0 or 1" in done("info", tmp_path / "m.zarr").output
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
    assert f"{what} for each step" in told
    shown = done("info", out).stdout
    assert "for each of 5 steps" in shown
    done("predict", out, tmp_path / "x.zarr", "--out", predicted)
    labels = zarr.open_group(predicted, mode="r")["y"][...]
    assert labels.shape == (40, 5)
    assert kind == "values" or set(labels.ravel()) <= {1, 2}


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


# Mistakes and failures


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


@pytest.mark.parametrize("command", ["info", "predict"])
def test_what_is_no_model_is_a_failure(data, tmp_path, command):
    samples = data(classes)
    more = [samples, "--out", tmp_path / "p.zarr"] if command == "predict" else []
    result = run(command, samples, *more)
    assert result.exit_code == 1
    assert "is not a model" in result.stderr


def test_a_missing_model_is_a_mistake(tmp_path):
    result = run("info", tmp_path / "m.zarr")
    assert result.exit_code == 2
    assert "there is no model at" in result.stderr


def test_a_reader_that_has_enough_is_no_failure(data, tmp_path, monkeypatch):
    def closed(*_, **__):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    done("train", data(classes), "--out", tmp_path / "m.zarr", *QUICK)
    monkeypatch.setattr("dask_horn.network.network.Network.summary", closed)
    result = run("info", tmp_path / "m.zarr")
    assert (result.exit_code, result.stderr) == (1, "")


def test_a_diverging_run_is_a_failure(data, tmp_path):
    arguments = ["--optimizer", "sgd", "--learning-rate", "1e30"]
    result = run("train", data(values), "--out", tmp_path / "m.zarr", *QUICK, *arguments)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: ")


def test_a_silent_scheduler_is_told(data, tmp_path, monkeypatch):
    monkeypatch.setattr("dask_horn.cli.workers._PATIENCE", "100ms")
    arguments = ["--out", tmp_path / "m.zarr", "--scheduler", "tcp://127.0.0.1:1"]
    result = run("train", data(classes), *arguments)
    assert result.exit_code == 2
    assert "no Dask scheduler answers at --scheduler tcp://127.0.0.1:1" in result.stderr


def test_debug_shows_where_it_happened(tmp_path):
    result = run("info", tmp_path / "m.zarr", "--debug")
    assert isinstance(result.exception, FileNotFoundError)


def test_warnings_are_told_without_their_source(data, tmp_path):
    code = (
        "import warnings; from dask_horn.cli import main, info; import dask_horn.model as m; "
        "m.load = lambda path: warnings.warn('the disk is slow'); "
    )
    found = subprocess.run(
        [sys.executable, "-c", code + "main(['info', 'x'])"], cwd=ROOT, capture_output=True
    )
    assert found.stderr.decode().startswith("Warning: the disk is slow\n")


# Stopping


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


# Clusters


def test_a_running_cluster_is_joined_and_left_running(data, tmp_path):
    samples, model = data(classes), tmp_path / "m.zarr"
    with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:
        joined = ["--scheduler", cluster.scheduler_address]
        done("train", samples, "--out", model, *QUICK[:-2], *joined)
        done("predict", model, samples, "--out", tmp_path / "p.zarr", *joined)
        assert len(cluster.scheduler_info["workers"]) == 1
    assert zarr.open_group(tmp_path / "p.zarr", mode="r")["y"].shape == (96,)


# Whole programs


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


def test_demo_reaches_its_accuracy(tmp_path):
    words = done("demo", "--folder", tmp_path / "demo", "--workers", 0).output
    shown = [
        float(line.split()[-4].rstrip("%")) for line in words.splitlines() if " of 360)" in line
    ]
    assert len(shown) == 2 and min(shown) >= 97
    assert "random_state=0" in words
    picture = (tmp_path / "demo" / "learning-curves.png").read_bytes()
    assert picture.startswith(b"\x89PNG")

    test = str(tmp_path / "demo" / "test.zarr")
    predicted = np.asarray(horn.load(str(tmp_path / "demo" / "model.zarr")).predict(test))
    accuracy = np.mean(predicted == zarr.open_group(test, mode="r")["y"][...])
    assert shown[0] == round(100 * accuracy, 2)
