"""One trial: a training without faults, the same with them, and whether the bits are the same."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chaos.faults import draw
from benchmarks.chaos.processes import Process, started
from benchmarks.chaos.run import Chaos, Hit
from benchmarks.chaos.training import Folder, Settings

PATIENCE = 120.0  #: seconds

# Rounds of the training: enough for all faults to come before it is over.
_AT_LEAST, _PER_FAULT = 8, 3


@dataclass(frozen=True)
class Trial:
    """What came out.

    Attributes
    ----------
    seed : int
    n_rounds : int
    hits : tuple of Hit
        The faults in their order.
    n_starts : int
        Of the client.
    differing : tuple of str
        What differs from the training without faults: parameters, losses, scores.
    seconds, without : float
        How long the training took with faults, and without them on threads.
    """

    seed: int
    n_rounds: int
    hits: tuple[Hit, ...]
    n_starts: int
    differing: tuple[str, ...]
    seconds: float
    without: float

    @property
    def verdict(self) -> str:
        """Whether the bits are the same, in words."""
        if self.differing:
            return f"Other bits, of {' and '.join(self.differing)}"
        return "The same bits, of parameters, losses and scores"


def tried(folder: Path, n_faults: int, seed: int, patience: float = PATIENCE) -> Trial:
    """Make a trial, with all that it writes in a folder.

    `patience` is how many seconds may pass without any progress before it is a hang.
    """
    settings = Settings(n_rounds=_AT_LEAST + _PER_FAULT * n_faults)
    calm, wild = Folder(folder / "calm"), Folder(folder / "wild")
    for one in (calm, wild):
        one.prepare(settings)
    began = time.perf_counter()
    _train_calmly(calm)
    without = time.perf_counter() - began
    with started(folder / "cluster") as cluster:
        chaos = Chaos(wild, cluster, draw(n_faults, seed), patience)
        try:
            chaos.run()
        finally:
            chaos.close()
    seconds = time.perf_counter() - began - without
    return Trial(
        seed,
        settings.n_rounds,
        tuple(chaos.hits),
        chaos.n_starts,
        tuple(_differing(calm, wild)),
        seconds,
        without,
    )


def _train_calmly(folder: Folder) -> None:
    """Train without faults, and without a cluster: on threads of one process."""
    log = folder.path / "client.log"
    if Process(log, "benchmarks.chaos.training", str(folder.path)).wait():
        raise RuntimeError(f"the training without faults failed: {log.read_text()[-2000:]}")


def _differing(one: Folder, other: Folder) -> list[str]:
    """Name what differs in the results of two trainings, in any bit."""
    expected, found = one.outcome(), other.outcome()
    return [name for name in expected if expected[name].tobytes() != found[name].tobytes()]
