"""What is trained, in a process of its own: python -m benchmarks.chaos.training FOLDER [ADDRESS].

It tells in a file what it does, for others to follow, and goes on from its checkpoint if there is
one. Without an address it trains on threads of its own process.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import signal
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

import dask_horn as horn

_HELD_OUT = 397  # digits that the parent is scored on
_UNITS = 256

#: Signals that have the process write where its threads are, which tells what it waits for.
WHERE = signal.SIGUSR1


@dataclass(frozen=True)
class Settings:
    """How long it trains.

    Attributes
    ----------
    n_rounds : int
    steps_per_round : int
        Enough for some tenths of a second.
    checkpoint_every : int
        Rounds.
    """

    n_rounds: int
    steps_per_round: int = 400
    checkpoint_every: int = 3


@dataclass(frozen=True)
class Told:
    """What the training says of itself.

    Attributes
    ----------
    what : {"begins", "trains", "round", "done"}
        It begins when it has found the cluster, and trains when all is set up.
    round : int
        Rounds done.
    time : float
        Seconds since the epoch.
    """

    what: str
    round: int
    time: float


@dataclass(frozen=True)
class Folder:
    """Where a training reads and writes."""

    path: Path

    @property
    def told(self) -> Path:
        """What it says, line by line."""
        return self.path / "told.jsonl"

    @property
    def result(self) -> Path:
        """Its parameters, losses and scores, once it is done."""
        return self.path / "result.npz"

    def prepare(self, settings: Settings) -> None:
        """Write samples and settings."""
        self.path.mkdir(parents=True, exist_ok=True)
        X, y = load_digits(return_X_y=True)
        X = X.astype(np.float32)
        horn.write_samples(self.path / "train.zarr", X[:-_HELD_OUT], y[:-_HELD_OUT])
        horn.write_samples(self.path / "held_out.zarr", X[-_HELD_OUT:], y[-_HELD_OUT:])
        (self.path / "settings.json").write_text(json.dumps(asdict(settings)))

    def read(self) -> list[Told]:
        """Return all that it has said."""
        if not self.told.exists():
            return []
        lines = self.told.read_text().splitlines(keepends=True)
        return [Told(**json.loads(line)) for line in lines if line.endswith("\n")]

    def outcome(self) -> dict[str, NDArray[Any]]:
        """Read the result."""
        with np.load(self.result) as kept:
            return dict(kept)


class Teller(horn.Callback):
    """Appends what happens to a file."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def tell(self, what: str, round: int = 0) -> None:
        """Append a line."""
        with self._folder.told.open("a") as file:
            file.write(json.dumps(asdict(Told(what, round, time.time()))) + "\n")

    def on_run_start(self, event: horn.RunStart) -> None:
        """All is set up."""
        self.tell("trains", event.first_round)

    def on_round_end(self, record: horn.RoundRecord) -> None:
        """Another round is done."""
        self.tell("round", record.round)


def train(folder: Folder, address: str | None) -> None:
    """Train, on from the last checkpoint, and write the result."""
    settings = Settings(**json.loads((folder.path / "settings.json").read_text()))
    teller = Teller(folder)
    network = horn.Network(
        [
            horn.Dense(_UNITS, activation="relu"),
            horn.Dropout(0.2),
            horn.Dense(_UNITS, activation="relu"),
            horn.Dense(10),
        ],
        input_shape=64,
    )
    with _connected(address):
        teller.tell("begins")
        result = horn.train(
            network,
            folder.path / "train.zarr",
            validation_data=folder.path / "held_out.zarr",
            n_groups=2,
            n_submodels=4,
            checkpoint=folder.path / "checkpoint",
            callbacks=[teller],
            **{field.name: getattr(settings, field.name) for field in fields(settings)},
        )
    np.savez(
        folder.result,
        parameters=result.model.parameters,
        losses=[record.loss for record in result.history],
        scores=[record.validation_score for record in result.history],
    )
    teller.tell("done", settings.n_rounds)


def _connected(address: str | None) -> contextlib.AbstractContextManager[Any]:
    """Connect to a cluster, if there is to be one."""
    if address is None:
        return contextlib.nullcontext()
    from distributed import Client

    return Client(address)


if __name__ == "__main__":
    faulthandler.register(WHERE)
    train(Folder(Path(sys.argv[1])), *(sys.argv[2:] or [None]))
