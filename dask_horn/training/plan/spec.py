"""What all tasks of a run share: the network, where its samples lie, and the resolved settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dask_horn.data import Block, SampleStore, Standardizer, Targets
from dask_horn.network import Network
from dask_horn.program import Optimizer
from dask_horn.training.plan.decay import NoiseDecay


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
class RoundPlan:
    """How one round is divided.

    Attributes
    ----------
    n_submodels : int
        Sub-models in each group.
    groups_of : tuple of tuple of int
        By member, the groups that are merged into it: all into one, or each member its own.
    group_blocks : tuple of tuple of Block
        The row blocks of each group.
    steps : tuple of int
        Optimizer steps of each group's mean sub-model.
    rate_factor : float
        On the schedule's learning rates.
    outer_step : OuterStep
    """

    n_submodels: int
    groups_of: tuple[tuple[int, ...], ...]
    group_blocks: tuple[tuple[Block, ...], ...]
    steps: tuple[int, ...]
    rate_factor: float
    outer_step: OuterStep

    @property
    def n_groups(self) -> int:
        """Number of groups that train at a time."""
        return len(self.group_blocks)


@dataclass(frozen=True)
class Devices:
    """What a run's programs run on, settled when it starts.

    Attributes
    ----------
    trains : str
        The device that sub-models are trained on.
    scores : str
        The one that parents are scored and measured on: the same where every worker has it.
    """

    trains: str = "cpu"
    scores: str = "cpu"


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
    rounds : tuple of RoundPlan
        How each round is divided.
    validation_blocks : tuple of tuple of Block
        The validation rows, one tuple for each scoring task.
    class_weights : ndarray of float32, (n_classes,), or None
    ensemble : bool
        Whether the groups are never merged with each other.
    redraw : bool
        Whether the partitions are drawn anew in each round.
    concentration : float or None
    hidden_exponent : float
    optimizer : Optimizer
        In the first rounds.
    schedule : Schedule
    batch_size : int
    seed : int
    merge_rule : str
        One of `MERGE_RULES`.
    device, scoring_device : str
        What sub-models are trained on, and what parents are scored and measured on.
    precision : str
        Of large products in training.
    measured : mapping of str to ndarray of float32
        By the names of tensors, initial values that were measured on samples, in place of drawn
        ones. Empty where a run starts from a model.
    noise : NoiseDecay or None
        How its decay in later rounds follows from the first ones' loss.
    decay : float or None
        What has followed from it, once it is known.
    attempt : int
        How often the run has gone back to its last cut. Its tasks' keys differ by that, for the
        cluster may still know those before.
    """

    run: str
    network: Network
    samples: SampleStore
    validation: SampleStore | None
    standardizer: Standardizer
    targets: Targets
    rounds: tuple[RoundPlan, ...]
    validation_blocks: tuple[tuple[Block, ...], ...]
    class_weights: NDArray[np.float32] | None
    ensemble: bool
    redraw: bool
    concentration: float | None
    hidden_exponent: float
    optimizer: Optimizer
    schedule: Schedule
    batch_size: int
    seed: int
    merge_rule: str
    device: str
    scoring_device: str
    precision: str
    measured: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    noise: NoiseDecay | None = None
    decay: float | None = None
    attempt: int = 0

    @property
    def keys(self) -> str:
        """What the keys of the run's tasks have in common."""
        return f"{self.run}-{self.attempt}" if self.attempt else self.run

    @property
    def n_parents(self) -> int:
        """Number of parents: one, or each member of an ensemble."""
        return len(self.rounds[0].groups_of)

    def optimizer_in(self, round: int) -> Optimizer:
        """Return the sub-models' optimizer in a round."""
        if self.decay is None or self.noise is None or round < self.noise.first_rounds:
            return self.optimizer
        return replace(self.optimizer, weight_decay=self.decay)

    def settles_after(self, rounds: int) -> bool:
        """Whether the loss of the last of so many rounds settles what is still open."""
        return self.decay is None and self.noise is not None and rounds == self.noise.first_rounds

    def settled(self, loss: float) -> RunSpec:
        """Return the spec for all rounds, from the mean training loss of the last first one."""
        return self if self.noise is None else replace(self, decay=self.noise.settled(loss))

    def rates(self, round: int, n_steps: int) -> NDArray[np.float64]:
        """Return the learning rate of each of a sub-model's steps in one round, (n_steps,)."""
        return self.rounds[round].rate_factor * self.schedule.rates(round, n_steps)
