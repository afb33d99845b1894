"""What all tasks of a run share: the network, where its samples lie, and the resolved settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dask_horn.data import Block, SampleStore, Standardizer, Targets
from dask_horn.network import Network
from dask_horn.program import Optimizer

__all__ = ["OuterStep", "RunSpec", "Schedule"]


class OuterStep(NamedTuple):
    """The outer Nesterov step of one round."""

    rate: float  #: η
    momentum: float  #: μ


@dataclass(frozen=True)
class Schedule:
    """The learning rate over the run.

    Attributes
    ----------
    name : {"cosine", "constant"}
    peak : float
        The highest learning rate.
    n_rounds : int
        Rounds that the schedule spans.
    warmup_steps : int
        Steps of each round over which the rate rises linearly.
    """

    name: str
    peak: float
    n_rounds: int
    warmup_steps: int

    def rates(self, round: int, n_steps: int) -> NDArray[np.float64]:
        """Return the learning rate of each step of one round, (n_steps,)."""
        steps = np.arange(n_steps)
        rates = np.full(n_steps, float(self.peak))
        if self.name == "cosine":
            progress = (round + steps / n_steps) / self.n_rounds
            rates *= 0.5 * (1 + np.cos(np.pi * progress))
        warmup = min(self.warmup_steps, n_steps // 5)
        if warmup:
            rates *= np.minimum((steps + 1) / (warmup + 1), 1.0)
        return rates


@dataclass(frozen=True, eq=False)
class RunSpec:
    """Everything about a run that does not change from round to round.

    Attributes
    ----------
    run : str
        The run's id; it is in every key and keeps its decoded chunks apart from other runs'.
    network : Network
    samples : SampleStore
        The training samples.
    validation : SampleStore or None
        The samples that parents are scored on.
    standardizer : Standardizer
    targets : Targets
    group_blocks : tuple of tuple of Block
        The row blocks of each group.
    validation_blocks : tuple of tuple of Block
        The validation rows, one tuple for each scoring task.
    class_weights : ndarray of float32, (n_classes,), or None
    n_submodels : tuple of int
        Sub-models per group, for each round.
    outer_steps : tuple of OuterStep
        For each round.
    concentration : float or None
    hidden_exponent : float
    optimizer : Optimizer
    schedule : Schedule
    batch_size : int
    steps : tuple of int
        Optimizer steps in a round, for each group.
    seed : int
    """

    run: str
    network: Network
    samples: SampleStore
    validation: SampleStore | None
    standardizer: Standardizer
    targets: Targets
    group_blocks: tuple[tuple[Block, ...], ...]
    validation_blocks: tuple[tuple[Block, ...], ...]
    class_weights: NDArray[np.float32] | None
    n_submodels: tuple[int, ...]
    outer_steps: tuple[OuterStep, ...]
    ensemble: bool
    concentration: float | None
    hidden_exponent: float
    optimizer: Optimizer
    schedule: Schedule
    batch_size: int
    steps: tuple[int, ...]
    seed: int

    @property
    def n_groups(self) -> int:
        """Number of worker groups."""
        return len(self.group_blocks)

    @property
    def lineages(self) -> tuple[tuple[int, ...], ...]:
        """Which groups are merged into which parent: all into one, or each into its own."""
        groups = tuple(range(self.n_groups))
        return tuple((group,) for group in groups) if self.ensemble else (groups,)
