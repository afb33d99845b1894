"""What the baselines train on: the same rows, order and learning rates, whoever takes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import zarr
from numpy.typing import NDArray

__all__ = ["Job", "Rows", "batch_bounds", "job_of"]

_WARM_UP = 10  # steps


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be learnt, and how."""

    location: str  # of a Zarr group with X, uint8 (n, features), and y, uint8 (n,)
    n_rows: int
    mean: NDArray[np.float32]  # samples are taken as (x - mean) / scale
    scale: NDArray[np.float32]
    widths: tuple[int, ...]  # inputs, hidden layers, outputs
    n_passes: int
    batch_size: int
    seed: int

    def rates(self, n_steps: int) -> NDArray[np.float64]:
        """Return the learning rate of so many steps: it rises, then follows a cosine to 0."""
        steps = np.arange(n_steps)
        rising = np.minimum(1, (steps + 1) / _WARM_UP)
        highest = min(1 / max(self.widths[1:-1]), 0.005)  # the library's default
        return highest * rising * (1 + np.cos(np.pi * steps / n_steps)) / 2

    def decay(self, n_steps: int) -> float:
        """Return the weight decay, by the library's default."""
        return min(1.0, max(2500 / self.n_rows, 1 / float(self.rates(n_steps).sum())))

    def share(self, rank: int, n_workers: int) -> slice:
        """Return the rows of one of so many workers."""
        return slice(self.n_rows * rank // n_workers, self.n_rows * (rank + 1) // n_workers)

    def n_own(self, rank: int, n_workers: int) -> int:
        """Return how many rows that are."""
        own = self.share(rank, n_workers)
        return own.stop - own.start

    def steps_of_pass(self, n_rows: int) -> int:
        """Return the optimizer steps of one pass over so many rows."""
        return -(-n_rows // self.batch_size)


def job_of(
    location: str, hidden: tuple[int, ...], n_passes: int, seed: int, batch_size: int = 128
) -> Job:
    """Survey the samples; return the job."""
    group = zarr.open_group(location, mode="r")
    X, y = group["X"][:], group["y"][:]
    deviation = X.std(axis=0, dtype=np.float64)
    scale = np.where(deviation > 0, deviation, 1).astype(np.float32)
    widths = (X.shape[1], *hidden, int(y.max()) + 1)
    mean = X.mean(axis=0, dtype=np.float64).astype(np.float32)
    return Job(location, len(X), mean, scale, widths, n_passes, batch_size, seed)


def batch_bounds(n_rows: int, n_steps: int) -> NDArray[np.int64]:
    """Where the batches of a pass begin: so many, whose sizes differ by at most one."""
    return np.arange(n_steps + 1) * n_rows // n_steps


class Rows:
    """The rows of one worker, in memory; what it does not want is not read."""

    def __init__(
        self, job: Job, rank: int = 0, n_workers: int = 1, *, samples: bool = True,
        targets: bool = True,
    ) -> None:  # fmt: skip
        group, own = zarr.open_group(job.location, mode="r"), job.share(rank, n_workers)
        self.samples = group["X"][own] if samples else None
        self.targets = group["y"][own] if targets else None
        self.n_rows = own.stop - own.start
        self._key = (job.seed, rank)

    def batches(self, n_steps: int, n_passes: int) -> Iterator[NDArray[np.int64]]:
        """Yield the rows of each step, in an order that is drawn anew in each pass."""
        bounds = batch_bounds(self.n_rows, n_steps)
        for number in range(n_passes):
            order = np.random.default_rng((*self._key, number)).permutation(self.n_rows)
            yield from (order[a:b] for a, b in pairwise(bounds))
