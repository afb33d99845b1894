"""The paper's settings: Wan et al., ICML 2013, section 6.1, and its learning rates' steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import dask_horn as horn
from dask_horn.network import ParameterTable

__all__ = [
    "BATCH_SIZE",
    "DROPPED",
    "FULL_EPOCHS",
    "KINDS",
    "MOMENTUM",
    "RATE",
    "Net",
    "schedule",
]

BATCH_SIZE, MOMENTUM, RATE, DROPPED, SPREAD = 128, 0.9, 0.1, 0.5, 0.1
FULL_EPOCHS = 600 + 400 + 20
KINDS = ("no-drop", "dropout", "dropconnect")

# "600-400-20": epochs at each factor of the learning rate; the second number is shared by two
# factors, the third by four.
_STEPS = ((600, 1.0), (200, 0.5), (200, 0.1), (5, 0.05), (5, 0.01), (5, 0.005), (5, 0.001))


@dataclass(frozen=True)
class Net:
    """One network of the table.

    Attributes
    ----------
    kind : {"no-drop", "dropout", "dropconnect"}
    seed : int
    epochs : int
        Of the whole training; the steps of the learning rate keep their shares of it.
    """

    kind: str
    seed: int
    epochs: int

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.kind}-{self.seed}-{self.epochs}"

    @property
    def network(self) -> horn.Network:
        """784-800-800-10, relu; what is dropped is what the hidden layers do or hold."""
        rate = DROPPED if self.kind == "dropconnect" else 0.0
        hidden: list[horn.Layer] = []
        for _ in range(2):
            hidden.append(horn.Dense(800, activation="relu", dropconnect=rate))
            if self.kind == "dropout":
                hidden.append(horn.Dropout(DROPPED))
        return horn.Network([*hidden, horn.Dense(10)], input_shape=784)

    @property
    def scales(self) -> dict[str, float]:
        """Factors that take the library's scaling up of what is kept back.

        The paper leaves it as it is in training and scales prediction down: with these factors
        its weights, their spread at the start and its learning rate mean here what they mean there.
        """
        masked = {
            "no-drop": (),
            "dropout": ("dense_2/W", "output/W"),
            "dropconnect": ("dense_1/W", "dense_2/W"),
        }
        return {name: 1 - DROPPED for name in masked[self.kind]}

    def initial_values(self) -> NDArray[np.float32]:
        """Weights drawn from N(0, 0.1), biases zero."""
        table, generator = self.network.parameters, np.random.default_rng(self.seed)
        values = np.zeros(table.size, np.float32)
        for name in table:
            if name.endswith("/W"):
                tensor = table.view(values, name)
                tensor[...] = generator.normal(scale=SPREAD, size=tensor.shape)
        return values

    def as_model(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale the paper's weights down for prediction: those that a `horn.Model` has."""
        table: ParameterTable = self.network.parameters
        scaled = values.copy()
        for name, scale in self.scales.items():
            table.view(scaled, name)[...] *= scale
        return scaled


def schedule(epochs: int) -> NDArray[np.float64]:
    """Learning rate of each epoch: the paper's steps, which keep their shares."""
    ends = np.cumsum([length for length, _ in _STEPS])
    factors = np.array([factor for _, factor in _STEPS])
    middle = (np.arange(epochs) + 0.5) / epochs * FULL_EPOCHS
    rates: NDArray[np.float64] = RATE * factors[np.searchsorted(ends, middle)]
    return rates
