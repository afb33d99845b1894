"""How a run trains: one frozen dataclass of plain values, checked once, before any work."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np

from dask_horn.checks import checked_choice, checked_integer, checked_number
from dask_horn.kernels.device import KNOWN_DEVICES
from dask_horn.network import Network
from dask_horn.program import RULES, Optimizer, Rule
from dask_horn.training.plan.merge_rules import MERGES

__all__ = ["TrainingOptions"]

# The first is over the most hidden inputs of a unit: what a unit receives adds up over them.
_ADAMW_RATE, _HIGHEST_ADAMW_RATE = 1.0, 5e-3
_DECAY_ROWS, _DECAY_OVER_RUN, _STRONGEST_DECAY = 2500, 1.0, 1.0


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How a run trains.

    Attributes
    ----------
    n_groups : int, default 1
        Worker groups, each with its own copy of the parent and its own subset of the rows.
    n_submodels : int or sequence of int, default 2
        Sub-models per group. A number K stands for a run that ends by K/2, K/4, ..., 1, each for
        a sixth of the rounds, as far as half of the rounds allow and the ending takes no longer
        than what was before it; a sequence gives each round's own, the last one repeated.
    regroup : bool, default True
        Whether a group becomes several where its sub-models become fewer, each with a share of
        its rows (and at least 50 steps), so that as many workers are busy as before.
    redraw : bool, default False
        Whether each group draws a new partition in each round. By default one is drawn for the
        run, its sub-models start without connections between them, and its parts are joined where
        sub-models become fewer. Training that goes on from a model always redraws, and so does
        a sequence of `n_submodels` that rises: what is joined cannot be divided again.
    concentration : float or None, default 100
        Of the Dirichlet distribution of the parts' sizes; None makes them equal.
    n_rounds : int, default 30
    steps_per_round : int or None, default None
        Optimizer steps of a sub-model in a round, on average: the larger its part, the fewer, so
        that all take equally long. None: one pass over the group's rows, but never fewer than
        50, since the optimizer's state starts anew in each round, or than 200 in redrawn rounds
        of four sub-models or more.
    batch_size : int or None, default None
        Samples in a step; None: 128, and less where the rows are few.
    optimizer : {"adamw", "sgd"}, default "adamw"
    learning_rate : float or None, default None
        The highest of the schedule. None: 0.05 for sgd; for adamw 1 over the most hidden inputs of
        a unit (in dense networks the units of the widest hidden layer, in convolutions those of a
        window), but at most 0.005, and times √(K/2) in rounds of K > 2 sub-models.
    momentum : float, default 0.9
        Of sgd.
    nesterov : bool, default False
        Whether sgd looks ahead.
    beta_1, beta_2 : float, default 0.9 and 0.999
        Decay of adamw's first and second moment.
    epsilon : float, default 1e-8
        Added to the root of adamw's second moment.
    weight_decay : float or None, default None
        Of the weights, not the biases; decoupled for adamw, an L2 penalty for sgd. None: 0 for
        sgd; for adamw 2500 over the number of rows, but at most 1, and at least what would
        shrink weights without a gradient by 1/e in the whole run.
    clip_norm : float or None, default None
        Bound on the norm of a sub-model's gradient.
    schedule : {"cosine", "constant"}, default "cosine"
        Of the learning rate, over all rounds.
    warmup_steps : int, default 10
        Steps of each round over which the learning rate rises, at most a fifth of the round.
    merge : {"average", "ensemble"}, default "average"
        Whether the groups are merged into one parent after each round, or never.
    outer_learning_rate, outer_momentum : float or None, default None
        η and μ of the outer Nesterov step. None: 0.7 where several groups are merged into one
        parent; else 1 and 0, which merge plainly: with one group it would only lengthen steps.
    group_data : {"subset", "all"}, default "subset"
        Whether each group trains on its own subset of the rows, or on all.
    hidden_exponent : float or None, default None
        a_h: products between hidden layers are scaled by ``p**-a_h``, p the share of the units.
        None: 0, so that nothing changes as parts are joined; 0.5 where partitions are redrawn.
    standardize : bool, default True
        Whether samples are shifted and scaled to mean 0 and variance 1.
    class_weight : "balanced", mapping or None, default None
        Weight of each class in the loss: inversely to its frequency, or by label.
    early_stopping : bool, default False
        Whether to stop when the validation score no longer rises, and keep the best parent.
    validation_fraction : float, default 0.1
        Share of the rows held out where early stopping has no validation data of its own.
    n_iter_no_change : int, default 10
        Rounds without a better validation score that early stopping waits.
    checkpoint_every : int, default 5
        Rounds between checkpoints; on a cluster the lineage is cut there too.
    random_state : int, default 0
        What all randomness is keyed by.
    device : {"cpu", "auto"}, default "cpu"
        What the sub-models are trained on; "auto" is settled when the run starts. The same run on
        another device has other bits.

    Raises
    ------
    TypeError, ValueError
        If a value is of the wrong kind or out of its range.
    """

    n_groups: int = 1
    n_submodels: int | Sequence[int] = 2
    regroup: bool = True
    redraw: bool = False
    concentration: float | None = 100.0
    n_rounds: int = 30
    steps_per_round: int | None = None
    batch_size: int | None = None
    optimizer: str = "adamw"
    learning_rate: float | None = None
    momentum: float = 0.9
    nesterov: bool = False
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float | None = None
    clip_norm: float | None = None
    schedule: str = "cosine"
    warmup_steps: int = 10
    merge: str = "average"
    outer_learning_rate: float | None = None
    outer_momentum: float | None = None
    group_data: str = "subset"
    hidden_exponent: float | None = None
    standardize: bool = True
    class_weight: str | Mapping[Any, float] | None = None
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: int = 10
    checkpoint_every: int = 5
    random_state: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("n_groups", "n_rounds", "n_iter_no_change", "checkpoint_every"):
            checked_integer(name, getattr(self, name), 1)
        checked_integer("random_state", self.random_state, 0)
        checked_integer("warmup_steps", self.warmup_steps, 0)
        for name in ("steps_per_round", "batch_size"):
            if getattr(self, name) is not None:
                checked_integer(name, getattr(self, name), 1)
        if isinstance(self.n_submodels, Sequence):
            if not self.n_submodels:
                raise ValueError("n_submodels is an empty sequence; give at least one number")
            for number in self.n_submodels:
                checked_integer("n_submodels", number, 1)
            object.__setattr__(self, "n_submodels", tuple(map(int, self.n_submodels)))
        else:
            checked_integer("n_submodels", self.n_submodels, 1)
        for name in ("weight_decay", "hidden_exponent"):
            if getattr(self, name) is not None:
                checked_number(name, getattr(self, name), at_least=0)
        for name in ("learning_rate", "outer_learning_rate", "concentration", "clip_norm"):
            if getattr(self, name) is not None:
                checked_number(name, getattr(self, name), above=0)
        for name in ("momentum", "beta_1", "beta_2"):
            checked_number(name, getattr(self, name), at_least=0, below=1)
        checked_number("epsilon", self.epsilon, above=0)
        if self.outer_momentum is not None:
            checked_number("outer_momentum", self.outer_momentum, at_least=0, below=1)
        checked_number("validation_fraction", self.validation_fraction, above=0, below=1)
        checked_choice("optimizer", self.optimizer, tuple(RULES))
        checked_choice("device", self.device, KNOWN_DEVICES)
        checked_choice("schedule", self.schedule, ("cosine", "constant"))
        checked_choice("merge", self.merge, MERGES)
        checked_choice("group_data", self.group_data, ("subset", "all"))
        if isinstance(self.class_weight, str):
            checked_choice("class_weight", self.class_weight, ("balanced",))
        elif isinstance(self.class_weight, Mapping):
            for label, weight in self.class_weight.items():
                checked_number(f"class_weight[{label!r}]", weight, at_least=0)
        elif self.class_weight is not None:
            raise TypeError(
                "class_weight must be 'balanced', a mapping from label to weight, or None, got "
                f"{type(self.class_weight).__name__}"
            )
        for name in (field.name for field in fields(self)):  # NumPy's numbers are not JSON's
            if isinstance(getattr(self, name), np.generic):
                object.__setattr__(self, name, getattr(self, name).item())

    @classmethod
    def of(cls, **settings: Any) -> TrainingOptions:
        """Make options of keyword arguments; an unknown name is told with the nearest known."""
        known = [field.name for field in fields(cls)]
        for name in settings:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
                raise TypeError(f"unknown setting {name!r}; {hint}")
        return cls(**settings)

    def peak_rate(self, network: Network) -> float:
        """Return the highest learning rate, by default the optimizer's own for the network."""
        if self.learning_rate is not None:
            return self.learning_rate
        if self._rule.rate is not None:
            return self._rule.rate
        divided = set(network.divided_axes)
        tensors = network.parameters.tensors
        widest = max((tensor.fan_in for tensor in tensors if tensor.source in divided), default=1)
        return float(min(_ADAMW_RATE / widest, _HIGHEST_ADAMW_RATE))

    def rate_factor(self, n_submodels: int) -> float:
        """Return the factor on the learning rates of a round of so many sub-models.

        Of a default rate that follows from the network, that is, which suits two sub-models. A
        unit of a sub-model has 1/K of its hidden inputs, so that one step moves it by as much less
        than it would in the parent. The root of that is a compromise between images and small
        tables.
        """
        if self._rule.rate is None and self.learning_rate is None:
            return math.sqrt(max(n_submodels, 2) / 2)
        return 1.0

    @property
    def _rule(self) -> Rule:
        return RULES[self.optimizer]

    @property
    def redraws(self) -> bool:
        """Whether partitions are drawn anew in each round: as asked for, or as they must."""
        numbers = self.n_submodels if isinstance(self.n_submodels, Sequence) else ()
        return self.redraw or any(before < after for before, after in pairwise(numbers))

    @property
    def outer_step(self) -> tuple[float, float]:
        """η and μ, as given or by default."""
        several = self.n_groups > 1 and self.merge != "ensemble"
        rate, momentum = (0.7, 0.7) if several else (1.0, 0.0)
        return (
            rate if self.outer_learning_rate is None else self.outer_learning_rate,
            momentum if self.outer_momentum is None else self.outer_momentum,
        )

    @property
    def scale_exponent(self) -> float:
        """The exponent a_h, as given or by default.

        Where parts are joined for good, 0: joining changes nothing then. Where partitions are
        redrawn all connections carry weights, and 0.5 keeps the deviation of a sum of fewer.
        """
        default = 0.5 if self.redraws else 0.0
        return default if self.hidden_exponent is None else self.hidden_exponent

    def local_optimizer(self, n_samples: int, summed_rates: float) -> Optimizer:
        """Return the sub-models' optimizer; `summed_rates` are those of all steps of the run."""
        decay = self.weight_decay
        if decay is None:
            free = self._rule.rate is not None
            decay = 0.0 if free else _default_decay(n_samples, summed_rates)
        return Optimizer(
            name=self.optimizer,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=decay,
            clip_norm=self.clip_norm,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
        )

    @property
    def most_submodels(self) -> int:
        """The largest number of sub-models in a group in any round."""
        return max(self.n_submodels) if isinstance(self.n_submodels, Sequence) else self.n_submodels


def _default_decay(n_samples: int, summed_rates: float) -> float:
    """Return the strength of AdamW's decay: a prior that counts for less where data are many.

    Whatever their number, the time over which weights are averaged is no longer than the run.

    References
    ----------
    Wang, Aitchison (2025), "How to set AdamW's weight decay as you scale model and dataset size",
    ICML, section 3: that time, in passes, is what to keep.
    """
    decay = max(_DECAY_ROWS / n_samples, _DECAY_OVER_RUN / summed_rates)
    return min(decay, _STRONGEST_DECAY)
