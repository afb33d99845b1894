"""The command, run in this process, and data for it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from dask_horn.cli import main

ROOT = Path(__file__).parents[2]
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


def classes(X):
    return (X[:, 0] > 0).astype("int64") + (X[:, 1] > 0)


def values(X):
    return 100 * X[:, 0]
