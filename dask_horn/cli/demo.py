"""`dask-horn demo`: from arrays to a saved model, on handwritten digits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dask_horn.cli.command import Command, option
from dask_horn.cli.workers import scheduler_option, workers_option

if TYPE_CHECKING:
    from distributed import Client
    from rich.console import Console

    from dask_horn.model import Ensemble, Model
    from dask_horn.training import TrainingResult

# No checkpoint in a run of seconds: each costs as much as a few of its rounds.
_SETTINGS = {"n_groups": 2, "n_submodels": 2, "n_rounds": 12, "checkpoint_every": 12}
_DROPPED_PIXELS = 0.1  # chosen by cross-validation among the training digits
_MARK = ".dask-horn-demo"  # a file in folders that demos may write to again
_CHUNK_BYTES = 8192  # small, so that there are a few chunks of these small data


@click.command(cls=Command, short_help="Train on handwritten digits, in about a minute.")
@option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default="dask-horn-demo",
    section="Files",
    help="Folder for the data, the model and the figure.",
)
@scheduler_option
@workers_option
def demo(folder: Path, scheduler: str | None, workers: int | None) -> None:
    """Train a classifier of handwritten digits and score it.

    Writes scikit-learn's digits to Zarr and starts a cluster on this machine. Trains a network of
    64-256-256-10 units in two groups of two sub-models, first as one merged model, then as an
    ensemble, and scores both on held-out digits. Takes a few seconds, and half a minute more the
    first time, when the kernels are compiled.
    """
    from rich.console import Console

    from dask_horn.cli.workers import working

    console = Console(highlight=False, soft_wrap=True)
    folder = folder.expanduser()
    _take(folder)
    with working(scheduler, workers, at_once=4) as client:
        _tell_where(client, console)
        _write_digits(folder, console)
        from dask_horn.cli.session import (
            run_session,  # takes a second; the workers import it meanwhile
        )

        console.print("\n[bold]One merged model[/]")
        merged = run_session(_network(), f"{folder}/train.zarr", **_settings(folder))
        _tell_rounds(merged, console)
        console.print("[bold]An ensemble of the two groups[/]")
        settings = _settings(folder) | {"merge": "ensemble", "group_data": "all"}
        ensemble = run_session(_network(), f"{folder}/train.zarr", **settings)
    console.print("\n[bold]Accuracy on the test digits[/]")
    for name, result in (("merged model", merged), ("ensemble", ensemble)):
        console.print(f"  {name:<13}{_test_accuracy(result.model, folder)}")
    _save(merged, folder, console)


def _take(folder: Path) -> None:
    """Make the folder, or take one that a demo has made: in no other is anything replaced."""
    mark = folder / _MARK
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise FileExistsError(
            f"--folder {folder} holds files that are no demo's; choose another folder, or a new one"
        )
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()


def _network() -> Any:
    from dask_horn.network import Dense, Dropout, Network

    hidden = [Dense(256, activation="relu"), Dense(256, activation="relu")]
    return Network([Dropout(_DROPPED_PIXELS), *hidden, Dense(10)], input_shape=64)


def _settings(folder: Path) -> dict[str, Any]:
    return {**_SETTINGS, "validation_data": f"{folder}/validation.zarr"}


def _write_digits(folder: Path, console: Console) -> None:
    """Write train, validation and test digits, each to a Zarr group of its own."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    from dask_horn.data import write_samples

    X, y = load_digits(return_X_y=True)
    X = X.astype("uint8")  # pixels of 0 to 16
    X_rest, X_test, y_rest, y_test = train_test_split(
        X, y, test_size=0.2, stratify=y, random_state=0
    )
    X_train, X_validation, y_train, y_validation = train_test_split(
        X_rest, y_rest, test_size=0.1, stratify=y_rest, random_state=0
    )
    parts = {
        "train": (X_train, y_train),
        "validation": (X_validation, y_validation),
        "test": (X_test, y_test),
    }
    console.print("[bold]Data[/]: scikit-learn's 1,797 digits of 8 × 8 pixels, in Zarr")
    for name, (samples, labels) in parts.items():
        location = f"{folder}/{name}.zarr"
        write_samples(location, samples, labels, chunk_bytes=_CHUNK_BYTES, overwrite=True)
        console.print(f"  {location:<34}{len(samples):>6,} digits")
    console.print(
        "  The test digits are a stratified fifth (random_state=0), never trained on.\n"
        "  The validation digits are a tenth of the rest, for the learning curves alone."
    )


def _tell_where(client: Client | None, console: Console) -> None:
    if client is None:
        console.print("[bold]Workers[/]: the threads of this process")
        return
    n_workers = len(client.scheduler_info(n_workers=-1)["workers"])
    console.print(f"[bold]Workers[/]: {n_workers}; dashboard: {client.dashboard_link}")


def _tell_rounds(result: TrainingResult, console: Console) -> None:
    from dask_horn.diagnostics import history_table

    console.print(history_table(result.history))


def _test_accuracy(model: Model | Ensemble, folder: Path) -> str:
    """Return the share and the number of test digits that a model gets right."""
    import numpy as np
    import zarr

    test = f"{folder}/test.zarr"
    predicted = np.asarray(model.predict(test))
    right = int(np.count_nonzero(predicted == zarr.open_array(f"{test}/y", mode="r")[...]))
    return f"{right / len(predicted):.2%}  ({right} of {len(predicted)})"


def _save(result: TrainingResult, folder: Path, console: Console) -> None:
    """Save the model and its learning curves."""
    from matplotlib.figure import Figure

    from dask_horn.diagnostics.plots import plot_history

    model, picture = folder / "model.zarr", folder / "learning-curves.png"
    result.model.save(str(model), overwrite=True)
    figure = Figure(figsize=(7, 5), layout="constrained")
    plot_history(result.history, figure.subplots(2, 1, sharex=True, height_ratios=(3, 2)))
    figure.savefig(picture, dpi=150)
    console.print(f"\nModel: {model}\nLearning curves: {picture}")
    console.print(f"Next: dask-horn info {model}")
