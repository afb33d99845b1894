"""Short runs whose parameters must stay the same bits from commit to commit.

`python -m tests.digests` prints the digest of each; with `--record` it writes them to
`digests.json`, which only a commit that means to change what training computes may do.

The samples are whole numbers, whose sums are exact, and the learning rate is constant: NumPy's
cosine differs in its last bit from processor to processor. So does what is added up in the order
that suits the processor (layer normalization and the clipping of gradients), which is left out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

import dask_horn as horn

RECORD = Path(__file__).with_name("digests.json")

SETTINGS: dict[str, Any] = {
    "n_rounds": 4,
    "steps_per_round": 24,
    "batch_size": 32,
    "schedule": "constant",
    "learning_rate": 2e-3,
    "weight_decay": 0.01,
    "random_state": 11,
}


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_digits(return_X_y=True)
    return X[:720].astype(np.uint8), y[:720]


def _of(result: horn.TrainingResult) -> str:
    model = result.model
    members = model.members if isinstance(model, horn.Ensemble) else (model,)
    digest = hashlib.sha256()
    for member in members:
        digest.update(member.parameters.tobytes())
        digest.update(member.statistics.tobytes())
    return digest.hexdigest()[:16]


def _dense(*extra: horn.network.Layer, loss: str = "cross_entropy") -> horn.Network:
    layers = [horn.Dense(41, activation="relu"), *extra, horn.Dense(23, activation="tanh")]
    return horn.Network([*layers, horn.Dense(1 if loss == "huber" else 10)], 64, loss=loss)


def _train(network: horn.Network, **settings: Any) -> horn.TrainingResult:
    X, y = _digits()
    X = X.reshape(-1, *network.input_shape)
    return horn.train(network, X, y * 1.0 if network.loss == "huber" else y, **SETTINGS | settings)


def _continued() -> horn.TrainingResult:
    network = _dense()
    first = _train(network, n_submodels=2, n_rounds=2)
    return _train(network, n_submodels=2, n_groups=2, initial=first.model)


def _images() -> horn.Network:
    return horn.Network(
        [
            horn.Conv2D(9, 3, activation="relu", padding="same"),
            horn.MaxPool2D(2),
            horn.Conv2D(12, 3, activation="tanh"),
            horn.AveragePool2D(2),
            horn.Flatten(),
            horn.Dense(21, activation="relu"),
            horn.Dense(10),
        ],
        (8, 8, 1),
    )


def _sequences(layer: type[horn.network.Layer]) -> horn.Network:
    recurrent = [layer(14, return_sequences=True), layer(11)]
    return horn.Network([*recurrent, horn.Dense(10)], (8, 8))


def _normalized() -> horn.Network:
    layers = [horn.Dense(37), horn.BatchNorm(activation="relu"), horn.Dense(10)]
    return horn.Network(layers, 64)


def _encoded() -> horn.Network:
    encodings = [horn.MissingIndicator(range(3)), horn.Periodic(2, learned=True)]
    return horn.Network([*encodings, *_dense().layers], 64)


CASES: dict[str, Callable[[], horn.TrainingResult]] = {
    "undivided": lambda: _train(_dense(), n_submodels=1),
    "two sub-models, joined": lambda: _train(_dense(), n_submodels=2),
    "four sub-models, joined": lambda: _train(_dense(), n_submodels=[4, 4, 2, 1]),
    "one group becomes four": lambda: _train(_dense(), n_submodels=[4, 2, 1], steps_per_round=200),
    "three groups": lambda: _train(_dense(), n_groups=3, n_submodels=2),
    "groups of whole models": lambda: _train(_dense(), n_groups=2, n_submodels=1),
    "redrawn": lambda: _train(_dense(), n_submodels=2, redraw=True),
    "redrawn in five groups": lambda: _train(_dense(), n_groups=5, n_submodels=4, redraw=True),
    "continued": _continued,
    "ensemble": lambda: _train(_dense(), n_groups=3, n_submodels=2, merge="ensemble"),
    "dropout": lambda: _train(_dense(horn.Dropout(0.3)), n_submodels=2),
    "dropconnect": lambda: _train(_dense(horn.Dense(32, "relu", dropconnect=0.5)), n_submodels=2),
    "dropconnect by batch": lambda: _train(
        _dense(horn.Dense(32, "relu", dropconnect=0.5, dropconnect_mask="batch")), n_submodels=2
    ),
    "sgd": lambda: _train(
        _dense(), optimizer="sgd", nesterov=True, learning_rate=0.05, n_submodels=2
    ),
    "huber": lambda: _train(_dense(loss="huber"), n_submodels=2),
    "convolution": lambda: _train(_images(), n_groups=2, n_submodels=2),
    "lstm": lambda: _train(_sequences(horn.LSTM), n_submodels=2),
    "gru": lambda: _train(_sequences(horn.GRU), n_submodels=2),
    "simple rnn": lambda: _train(_sequences(horn.SimpleRNN), n_submodels=2),
    "encodings": lambda: _train(_encoded(), n_submodels=2),
    "batch normalization": lambda: _train(_normalized(), n_groups=2, n_submodels=2),
}


def main() -> None:
    """Train every case; print or record the digests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true")
    digests = {name: _of(train()) for name, train in CASES.items()}
    text = json.dumps(digests, indent=2) + "\n"
    if parser.parse_args().record:
        RECORD.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
