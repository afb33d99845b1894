"""The data sets that benchmarks read: from a folder given by argument or environment.

Each lies in a folder of its own, as its publisher distributes it: ``mnist`` (four idx files),
``california_housing`` (housing.tgz), ``letter_recognition``, ``higgs_sample``,
``kddcup99_10pct``, ``diamonds``, ``tinyshakespeare`` (input.txt). Small ones come with
scikit-learn.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import datasets

import dask_horn as horn

VARIABLE = "DASK_HORN_DATA"

#: Data sets whose targets are values, not classes.
REGRESSION = frozenset({"california_housing", "diabetes"})

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]

data_option = click.option(
    "--data",
    "folder",
    envvar=VARIABLE,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=f"Folder of the data sets; or set {VARIABLE}.",
)


def mnist(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (n, 784) and labels (n,) of ``"train"`` or ``"t10k"``."""
    images = gzip.decompress((folder / "mnist" / f"{part}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "mnist" / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    return (
        np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784),
        np.frombuffer(labels, np.uint8, offset=8),
    )


def table(folder: Path, name: str) -> tuple[NDArray[np.floating[Any]], NDArray[Any]]:
    """Features (n, n_features) and targets (n,) of a tabular data set."""
    if name == "california_housing":
        with tarfile.open(folder / name / "housing.tgz") as archive:
            content = archive.extractfile("housing/housing.csv")
            assert content is not None, "the archive holds housing/housing.csv"
            frame = pd.read_csv(content).dropna()
        y = frame.pop("median_house_value").to_numpy(float)
        return pd.get_dummies(frame).to_numpy(float), y
    if name == "letter_recognition":
        frame = pd.read_csv(folder / name / "letter-recognition.data", header=None)
        return frame.iloc[:, 1:].to_numpy(float), frame[0].to_numpy(str)
    if name == "kddcup99_10pct":
        return kddcup99(folder / name / "kddcup.data_10_percent.gz")
    if name == "higgs_sample":
        text = gzip.decompress((folder / name / "binary.train.gz").read_bytes())
        values = np.loadtxt(io.BytesIO(text))
        return values[:, 1:], values[:, 0].astype(int)
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return X, y


def kddcup99(path: Path) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Features (n, 118) and classes (n,) of KDD Cup 1999, its three columns of words one-hot.

    float32, which holds its largest values to one part in ten million and needs 230 MB.
    """
    frame = pd.read_csv(path, header=None)
    y = frame.pop(frame.columns[-1]).str.rstrip(".").to_numpy(str)
    words = frame.select_dtypes(exclude="number").columns
    return pd.get_dummies(frame, columns=words, dtype=np.float32).to_numpy(np.float32), y


def tiny_shakespeare(folder: Path, steps: int) -> tuple[Pair, Pair, str]:
    """Sequences of characters, what to foretell on each step, and the alphabet.

    Returns ``(x, y)``, (n, steps) each, of the first nine tenths of the text, and likewise of the
    last one; characters are numbered as in the alphabet, and y is x a character later.
    """
    text = (folder / "tinyshakespeare" / "input.txt").read_text()
    alphabet = "".join(sorted(set(text)))
    numbers = np.searchsorted(list(alphabet), list(text)).astype(np.uint8)
    parts = []
    for part in np.split(numbers, [len(numbers) * 9 // 10]):
        n = (len(part) - 1) // steps
        x, y = part[: n * steps], part[1 : n * steps + 1]
        parts.append((x.reshape(n, steps), y.reshape(n, steps)))
    return parts[0], parts[1], alphabet


def store_mnist(folder: Path, target: Path) -> tuple[str, str]:
    """Write MNIST's two parts as Zarr below `target`, once; return their locations."""
    locations = []
    for part in ("train", "t10k"):
        location = target / f"mnist-{part}.zarr"
        if not location.exists():
            horn.write_samples(location, *mnist(folder, part), chunk_bytes=2**20)
        locations.append(os.fspath(location))
    return locations[0], locations[1]


def mnist_network(width: int) -> horn.Network:
    """Return 784-width-width-10 with relu."""
    hidden = [horn.Dense(width, activation="relu") for _ in range(2)]
    return horn.Network([*hidden, horn.Dense(10)], input_shape=784)
