"""The command itself: its help, and how it fails."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

import dask_horn as horn
from dask_horn.cli import main
from dask_horn.program import RULES
from dask_horn.training.plan.merge_rules import MERGES
from tests.cli.commands import QUICK, ROOT, classes, done, run


def test_help_loads_nothing_heavy():
    code = (
        "import sys, dask_horn.cli; "
        "print({'dask', 'matplotlib', 'numba', 'numpy', 'rich', 'zarr'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    assert found.stdout.decode().strip() == "set()"


def test_help_tells_the_commands_and_how_to_begin():
    words = done("--help").output
    for name in ("demo", "train", "evaluate", "predict", "info"):
        assert f"\n  {name} " in words
    assert "\n    dask-horn demo\n" in words


@pytest.mark.parametrize("command", ["demo", "train", "evaluate", "predict", "info"])
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
    assert shared == {name: getattr(options, name) for name in shared}
    assert len(shared) > 8
    shown = {option.name: option.type for option in main.commands["train"].params}
    assert set(shown["optimizer"].choices) == set(RULES)
    assert shown["merge"].choices == MERGES
    classifier = horn.HornClassifier()
    for name, given in [
        ("hidden", "hidden_layer_sizes"),
        ("activation",) * 2,
        ("dropout",) * 2,
        ("missing",) * 2,
    ]:
        assert settings[name] == getattr(classifier, given)


def test_version():
    assert done("--version").output == f"dask-horn, version {horn.__version__}\n"


@pytest.mark.parametrize("command", ["info", "evaluate", "predict"])
def test_what_is_no_model_is_a_failure(data, tmp_path, command):
    samples = data(classes)
    more = {"evaluate": [samples], "predict": [samples, "--out", tmp_path / "p.zarr"]}
    result = run(command, samples, *more.get(command, []))
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


def test_debug_shows_where_it_happened(tmp_path):
    result = run("info", tmp_path / "m.zarr", "--debug")
    assert isinstance(result.exception, FileNotFoundError)


def test_warnings_are_told_without_their_source(data, tmp_path):
    code = (
        "import warnings; from dask_horn.cli import main, info; import dask_horn.model as m; "
        "m.load = lambda path, options: warnings.warn('the disk is slow'); "
    )
    found = subprocess.run(
        [sys.executable, "-c", code + "main(['info', 'x'])"], cwd=ROOT, capture_output=True
    )
    assert found.stderr.decode().startswith("Warning: the disk is slow\n")
