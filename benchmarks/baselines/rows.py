"""What the baselines train on: the same rows, order and learning rates, whoever takes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.cluster import current_executor
from dask_horn.data import Block, deal, decoded
from dask_horn.data.store import reading
from dask_horn.kernels.random import derive_key, shuffled_entries
from dask_horn.network import Network
from dask_horn.training import Known, TrainingOptions
from dask_horn.training.plan.prepare import make_spec, prepare_data
from dask_horn.training.plan.spec import RunSpec

__all__ = [
    "Rows",
    "batch_bounds",
    "read_rows",
    "share_of",
    "spec_of",
    "step_rates",
    "steps_of_pass",
]

_ORDER = 17  # sets this stream of random numbers apart


def spec_of(
    network: Network, X: Any, y: Any = None, *, n_passes: int, scratch: str | None = None,
    **settings: Any,
) -> RunSpec:  # fmt: skip
    """Resolve data and settings as `dask_horn.train` would for an undivided network.

    A round stands for one pass; `settings` are those of `TrainingOptions`.
    """
    options = TrainingOptions.of(n_groups=1, n_submodels=1, n_rounds=n_passes, **settings)
    data = prepare_data(network, X, y, None, options, Known(), current_executor(), scratch)
    return make_spec(network, data, options, Known())


def share_of(spec: RunSpec, rank: int, n_workers: int) -> tuple[Block, ...]:
    """Return the row blocks of one of so many workers."""
    blocks = spec.rounds[0].group_blocks[0]
    return deal(blocks, n_workers, spec.seed)[rank] if n_workers > 1 else blocks


def steps_of_pass(spec: RunSpec, n_rows: int) -> int:
    """Return the optimizer steps of one pass over so many rows."""
    return -(-n_rows // spec.batch_size)


def batch_bounds(n_rows: int, n_steps: int) -> NDArray[np.int64]:
    """Where the batches of a pass begin: so many, whose sizes differ by at most one."""
    return np.arange(n_steps + 1) * n_rows // n_steps


def step_rates(spec: RunSpec, n_steps: int) -> NDArray[np.float64]:
    """Return the learning rate of each step of all passes: rising once, then a cosine."""
    steady = replace(spec.schedule, warmup_steps=0)
    schedules = [spec.schedule] + [steady] * (len(spec.rounds) - 1)
    return np.concatenate([schedule.rates(i, n_steps) for i, schedule in enumerate(schedules)])


@dataclass(frozen=True, eq=False)
class Rows:
    """The decoded rows of a worker.

    Attributes
    ----------
    samples, targets : list of ndarray
        By block; empty where they are not wanted.
    lengths : ndarray of int64
        Rows of each block.
    seed, rank : int
        What the order is keyed by.
    """

    samples: list[NDArray[Any]]
    targets: list[NDArray[np.float32]]
    lengths: NDArray[np.int64]
    seed: int
    rank: int

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.lengths.sum())

    def order(self, number: int) -> NDArray[np.int64]:
        """Return the order of the rows in one pass, as ``(block << 32) | row``."""
        return shuffled_entries(derive_key(self.seed, number, self.rank, _ORDER), self.lengths)


def read_rows(
    spec: RunSpec,
    rank: int = 0,
    n_workers: int = 1,
    *,
    samples: bool = True,
    targets: bool = True,
) -> Rows:
    """Read the share of a worker: samples and targets, or what is wanted of them."""
    blocks = share_of(spec, rank, n_workers)
    lengths = np.array([len(block) for block in blocks], np.int64)
    x = [decoded(spec.run, spec.samples, block, None).x for block in blocks] if samples else []
    y = [_targets(spec, block) for block in blocks] if targets else []
    return Rows(x, y, lengths, spec.seed, rank)


def _targets(spec: RunSpec, block: Block) -> NDArray[np.float32]:
    """Read the targets of a block, and not its samples."""
    location, classes = spec.samples.y, spec.samples.classes
    assert location is not None, "training samples have targets"
    labels = reading.read_rows(reading.open_rows(location), location, block.start, block.stop)
    return spec.targets.encode(labels if classes is None else classes[labels])
