"""The command line: train what is not yet trained, judge it, and write the section."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import click
import dask
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.datasets import data_option, mnist
from benchmarks.dropconnect_mnist.dividing import train_divided
from benchmarks.dropconnect_mnist.judging import answers, error, voting_error
from benchmarks.dropconnect_mnist.section import Row, render
from benchmarks.dropconnect_mnist.settings import FULL_EPOCHS, KINDS, Net
from benchmarks.dropconnect_mnist.training import train
from benchmarks.report import setting, write_section

_DIVIDED = ("no-drop", "dropconnect")
_FIRST = ("dropconnect", "no-drop", "dropout")  # in this order each seed's are trained

Answers = NDArray[np.float32]


@click.command()
@data_option
@click.option("--epochs", default=FULL_EPOCHS, show_default=True)
@click.option("--nets", default=5, show_default=True, help="Of each kind.")
@click.option("--divided", default=5, show_default=True, help="Divided networks of each kind.")
@click.option(
    "--keep",
    default="dropconnect-mnist",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder of checkpoints and answers.",
)
def main(folder: Path, epochs: int, nets: int, divided: int, keep: Path) -> None:
    """Wan et al.'s Table 2 on MNIST, and the same network divided."""
    keep.mkdir(parents=True, exist_ok=True)
    with threadpool_limits(1), dask.config.set(scheduler="synchronous"):  # one core
        for seed in range(nets):
            for kind in _FIRST:
                _judge(Net(kind, seed, epochs), folder, keep)
                _write(folder, keep, epochs)
        for seed in range(divided):
            for kind in _DIVIDED:
                _divide(Net(kind, seed, epochs), folder, keep)
                _write(folder, keep, epochs)


def _judge(net: Net, folder: Path, keep: Path) -> None:
    """Train a network and keep what it answers, unless that is there."""
    for inference in ("mean", "sample") if net.kind == "dropconnect" else ("mean",):
        path = keep / f"{net.name}-{inference}.npy"
        if not path.exists():
            state = train(net, folder, keep)
            _save(path, answers(net, state["parameters"], folder, inference))


def _divide(net: Net, folder: Path, keep: Path) -> None:
    if not (keep / f"divided-{net.name}-mean.npy").exists():
        found = train_divided(net, folder, keep)
        for inference in sorted(found, reverse=True):  # the mean last: it says that all is there
            _save(keep / f"divided-{net.name}-{inference}.npy", found[inference])


def _save(path: Path, found: Answers) -> None:
    beside = path.with_suffix(".new.npy")
    np.save(beside, found)
    os.replace(beside, path)


def _write(folder: Path, keep: Path, epochs: int) -> None:
    """Write records and the section from the answers that are there."""
    _, labels = mnist(folder, "t10k")
    rows = list(_rows("", KINDS, keep, epochs, labels))
    divided = list(_rows("divided-", _DIVIDED, keep, epochs, labels))
    for row in rows + divided:
        click.echo(f"{row}")
    seconds = sum(float(np.load(path)["seconds"]) for path in keep.glob(f"*-{epochs}.npz"))
    measured = {"rows": rows, "divided": divided, "seconds": seconds}
    path = Path(__file__).parents[1] / "records" / f"dropconnect_mnist-{epochs}.json"
    path.write_text(json.dumps(measured, indent=1) + "\n")
    command = f"python -m benchmarks.dropconnect_mnist --data FOLDER --epochs {epochs}"
    body = f"{setting(command)}\n\n{render(rows, divided, epochs, seconds)}"
    title = f"DropConnect on MNIST: Wan et al.'s Table 2 in {epochs} epochs"
    write_section(f"dropconnect_mnist-{epochs}", title, body)


def _rows(
    prefix: str, kinds: tuple[str, ...], keep: Path, epochs: int, labels: NDArray[np.uint8]
) -> Iterator[Row]:
    for kind in kinds:
        for inference in ("mean", "sample"):
            paths = sorted(keep.glob(f"{prefix}{kind}-[0-9]*-{epochs}-{inference}.npy"))
            found = [np.load(path) for path in paths]
            if found:
                errors = [error(each, labels) for each in found]
                yield kind, inference, errors, voting_error(found, labels)


if __name__ == "__main__":
    main()
