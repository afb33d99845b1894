"""A divided convolutional network: its filters are units like any others.

    python mnist_cnn.py                  scikit-learn's digits of 8 x 8 pixels
    python mnist_cnn.py --data FOLDER    MNIST, from its four files; a quarter of an hour

Each of the two sub-models has half of the filters of every convolution and half of the dense
units. No connection leads from one to the other until they are joined towards the end.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import dask_horn as horn


def digits() -> list[Any]:
    """Return images (n, 8, 8, 1) and labels, for training and for testing."""
    X, y = load_digits(return_X_y=True)
    images = X.astype("uint8").reshape(-1, 8, 8, 1)
    X_train, X_test, y_train, y_test = train_test_split(
        images, y, test_size=0.2, stratify=y, random_state=0
    )
    return [X_train, y_train, X_test, y_test]


def mnist(folder: Path) -> list[Any]:
    """Return the same for MNIST, (n, 28, 28, 1), from its published files."""
    found: list[Any] = []
    for part in ("train", "t10k"):
        images = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
        found.append(np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28, 1))
        found.append(np.frombuffer(labels, np.uint8, offset=8))
    return found


def network(height: int, width: int) -> horn.Network:
    """Two convolutions, each with pooling; a dense layer; and one output for each digit."""
    size, padding = (5, "valid") if height == 28 else (3, "same")
    return horn.Network(
        [
            horn.Conv2D(32, size, padding=padding, activation="relu"),
            horn.MaxPool2D(2),
            horn.Conv2D(64, size, padding=padding, activation="relu"),
            horn.MaxPool2D(2),
            horn.Flatten(),
            horn.Dense(150, activation="relu"),
            horn.Dropout(0.5),
            horn.Dense(10),
        ],
        input_shape=(height, width, 1),  # channels last; a grey image has one
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of MNIST's four .gz files")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of training (default 15)")
    parser.add_argument("--submodels", type=int, default=2, help="sub-models (default 2)")
    arguments = parser.parse_args()

    X_train, y_train, X_test, y_test = mnist(arguments.data) if arguments.data else digits()
    net = network(*X_train.shape[1:3])
    print(net.summary())

    # A round is one pass over the samples, or fifty steps if that is more.
    result = horn.train(
        net,
        X_train,
        y_train,
        validation_data=(X_test, y_test),  # only shown: it decides nothing
        n_submodels=arguments.submodels,
        n_rounds=arguments.rounds,
    )
    for record in result.history:
        parts = "undivided" if record.n_submodels == 1 else f"{record.n_submodels} sub-models"
        print(f"round {record.round}, {parts}: test accuracy {record.validation_score:.2%}")

    # The first layer's filters, (5, 5, 1, 32) for MNIST, are plain arrays.
    filters = result.model.tensor("conv2d_1/W")
    print(f"filters: {filters.shape}, largest weight {np.abs(filters).max():.2f}")

    # The scikit-learn classifier takes the same layers, but without the last, which follows from y.
    classifier = horn.HornClassifier(layers=net.layers[:-1], n_rounds=2)
    classifier.fit(X_train[:500], y_train[:500])
    print(f"a classifier after two rounds on 500 of them: {classifier.score(X_test, y_test):.2%}")


if __name__ == "__main__":
    main()
