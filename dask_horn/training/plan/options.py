"""How a run trains: plain values in one frozen dataclass, checked before any work."""

from __future__ import annotations

import difflib
import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from dask_horn.checks import checked_choice, checked_integer, checked_number
from dask_horn.kernels.device import KNOWN_DEVICES, PRECISIONS
from dask_horn.network import Network
from dask_horn.program import RULES, Optimizer, Rule
from dask_horn.training.plan.division import AUTO, auto_submodels
from dask_horn.training.plan.merge_rules import MERGES

# The first is over the most hidden inputs of a unit: what a unit receives adds up over them.
_ADAMW_RATE, _HIGHEST_ADAMW_RATE = 1.0, 5e-3
# The lowest, of runs of so many steps; in longer ones wide layers have time at a lower one.
_LOWEST_ADAMW_RATE, _LOWEST_UP_TO = 1 / 256, 3000


# A number for each round, or a weight for each class: as many as a person reads.
_SHORT = reprlib.Repr()
_SHORT.maxtuple, _SHORT.maxdict, _SHORT.maxstring = 8, 6, 80


# Arguments of `train` that are no settings, and what others call one of them.
_BESIDE = (
    "validation_data", "checkpoint", "callbacks", "initial", "scratch", "timeout", "progress",
)  # fmt: skip
_MEANT = {"verbose": ["progress"], "validation": ["validation_data"], "epochs": ["n_rounds"]}


@dataclass(frozen=True, kw_only=True, repr=False)
class TrainingOptions:
    """How a run trains.

    Attributes
    ----------
    n_groups : int, default 1
        Number of worker groups. Each trains its own copy of the parent on its own subset of the
        rows.
    n_submodels : int, sequence of int or "auto", default "auto"
        Number of sub-models that each group divides its copy into. "auto" is settled when the
        samples have been counted. It is 1, which is undivided, where dividing would cost accuracy:
        in networks with convolutions or recurrent layers, with fewer than 10,000 samples, and where
        partitions are redrawn. Otherwise it is the largest power of two, at most 8, that leaves
        each part 256 units of every hidden layer. With a number K, the run ends with rounds of
        K/2, K/4, ..., 1 sub-models, a sixth of the rounds for each. This ending takes half of the
        rounds at most, and is shortened where it would take longer than the rounds before it. A
        sequence gives the number for each round; the last one repeats.
    regroup : bool, default True
        Whether a group becomes several groups, which share its rows, where its sub-models become
        fewer, so that as many workers are busy as before. Each has at least 50 steps per round.
    redraw : bool, default False
        Whether each group draws a new partition in each round. By default one partition is drawn
        for the run; its sub-models start without connections between them, and its parts are
        joined where the sub-models become fewer. Training that continues from a model always
        redraws, and so does a sequence of `n_submodels` that rises, because joined parts cannot be
        divided again.
    concentration : float or None, default 100
        Concentration of the Dirichlet distribution of the sub-models' sizes: the smaller it is,
        the more the sizes differ. None makes them equal.
    n_rounds : int, default 30
        Number of rounds. In each one the sub-models are trained, then merged.
    steps_per_round : int or None, default None
        Optimizer steps of a sub-model per round, on average: larger sub-models take fewer, so that
        all take equally long. None takes one pass over the group's rows, but at least 50 steps,
        because the optimizer's state starts anew in each round, or 200 in redrawn rounds of four
        or more sub-models.
    batch_size : int or None, default None
        Number of samples per step. None takes 128, or less if there are few rows.
    optimizer : {"adamw", "sgd"}, default "adamw"
        Optimizer of the sub-models.
    learning_rate : float or None, default None
        Highest learning rate of the schedule. None takes 0.05 for sgd. For adamw it takes 1 / n,
        at most 0.005 and at least 1/256, where n is the largest number of hidden inputs of a unit
        (in dense networks the width of the widest hidden layer, in convolutions the size of a
        window), times √(K/2) in rounds of K > 2 sub-models. In runs of S > 3000 steps the least is
        3000/S of that.
    momentum : float, default 0.9
        Momentum of sgd.
    nesterov : bool, default False
        Whether sgd takes Nesterov's step.
    beta_1, beta_2 : float, default 0.9 and 0.999
        Decay rates of adamw's first and second moment.
    epsilon : float, default 1e-8
        Added to the root of adamw's second moment, so that it is never 0.
    weight_decay : float or None, default None
        Weight decay, not applied to biases: decoupled for adamw, an L2 penalty for sgd. None takes
        0 for sgd. For adamw it takes 2500 / n_samples, at most 1; in runs of 15 rounds or more,
        up to 16 times as much after the first fifth of them where their loss tells of noise; and
        at least what would shrink weights without a gradient by 1/e in the whole run.
    clip_norm : float or None, default None
        Upper bound on the norm of a sub-model's gradient. None does not clip.
    schedule : {"cosine", "constant"}, default "cosine"
        Schedule of the learning rate over all rounds.
    warmup_steps : int, default 10
        Steps at the start of each round in which the learning rate rises; at most a fifth of the
        round.
    merge : {"average", "ensemble"}, default "average"
        Whether to average the groups into one parent after each round, or to keep each group as a
        member of an ensemble.
    outer_learning_rate, outer_momentum : float or None, default None
        Learning rate and momentum of the Nesterov step that merges a round. None takes 0.7 for
        both if several groups are averaged, else 1 and 0, which take the mean as it is.
    group_data : {"subset", "all"}, default "subset"
        Whether each group trains on its own subset of the rows, or on all rows.
    hidden_exponent : float or None, default None
        Exponent a_h: products between hidden layers are scaled by ``p**-a_h``, where p is the
        fraction of the units that a sub-model has. None takes 0, with which joining parts changes
        no output, or 0.5 if partitions are redrawn.
    standardize : bool, default True
        Whether to shift and scale samples to mean 0 and variance 1.
    class_weight : "balanced", mapping or None, default None
        Weight of each class in the loss: a mapping from labels to weights, or "balanced" for
        weights inverse to the class frequencies.
    early_stopping : bool, default False
        Whether to stop when the validation score no longer improves, and keep the best round's
        parent.
    validation_fraction : float, default 0.1
        Fraction of the rows that early stopping holds out if it gets no validation data.
    n_iter_no_change : int, default 10
        Number of rounds without a better score after which early stopping stops.
    checkpoint_every : int, default 5
        Rounds between checkpoints. On a cluster Dask's lineage is cut there too.
    random_state : int, default 0
        Seed of all randomness.
    device : {"cpu", "cuda", "auto"}, default "cpu"
        What the sub-models are trained on. On a cluster, the workers that have the device train
        there, and all others merge. "auto" is settled when the run starts: a GPU if any worker has
        one, else the CPU. The same run gives other bits on another device.
    precision : {"float32", "tf32", "bf16"}, default "float32"
        How a GPU multiplies large matrices in training: "tf32" and "bf16" round the factors, to 10
        and 7 binary digits, for speed. Sums, parameters and all else are of float32.

    Raises
    ------
    TypeError, ValueError
        If a value is of the wrong kind or out of its range.

    Examples
    --------
    >>> TrainingOptions(n_groups=4, n_rounds=30)  # shows what is not the default
    TrainingOptions(n_groups=4)
    """

    n_groups: int = 1
    n_submodels: int | Sequence[int] | Literal["auto"] = "auto"
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
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name in ("n_groups", "n_rounds", "n_iter_no_change", "checkpoint_every"):
            checked_integer(name, getattr(self, name), 1)
        checked_integer("random_state", self.random_state, 0)
        checked_integer("warmup_steps", self.warmup_steps, 0)
        for name in ("steps_per_round", "batch_size"):
            if getattr(self, name) is not None:
                checked_integer(name, getattr(self, name), 1)
        if isinstance(self.n_submodels, str):
            checked_choice("n_submodels", self.n_submodels, (AUTO,))
        elif isinstance(self.n_submodels, Sequence):
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
        checked_choice("precision", self.precision, PRECISIONS)
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
                near = _MEANT.get(name) or difflib.get_close_matches(name, [*known, *_BESIDE], n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
                raise TypeError(f"unknown setting {name!r}; {hint}")
        return cls(**settings)

    @property
    def changed(self) -> dict[str, str]:
        """The attributes that are not at their defaults, as short text."""
        named = ((field.name, getattr(self, field.name), field.default) for field in fields(self))
        return {name: _SHORT.repr(value) for name, value, default in named if value != default}

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.changed.items())
        return f"TrainingOptions({shown})"

    def _repr_html_(self) -> str:
        from dask_horn.diagnostics.forms import options_html

        return options_html(self)

    def peak_rate(self, network: Network, n_steps: int) -> float:
        """Return the highest learning rate, by default the optimizer's own.

        By the network, and for a wide one by the steps of a sub-model in the whole run.
        """
        if self.learning_rate is not None:
            return self.learning_rate
        if self._rule.rate is not None:
            return self._rule.rate
        divided = set(network.divided_axes)
        tensors = network.parameters.tensors
        widest = max((tensor.fan_in for tensor in tensors if tensor.source in divided), default=1)
        lowest = _LOWEST_ADAMW_RATE * min(1.0, _LOWEST_UP_TO / n_steps)
        return float(min(max(_ADAMW_RATE / widest, lowest), _HIGHEST_ADAMW_RATE))

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
        given = self.n_submodels
        numbers = given if isinstance(given, Sequence) and not isinstance(given, str) else ()
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

    @property
    def decays_by_noise(self) -> bool:
        """Whether the weight decay is left to the samples, their number and their noise."""
        return self.weight_decay is None and self._rule.rate is None

    def local_optimizer(self, decay: float) -> Optimizer:
        """Return the sub-models' optimizer; that `decay` unless one is given."""
        return Optimizer(
            name=self.optimizer,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=decay if self.weight_decay is None else self.weight_decay,
            clip_norm=self.clip_norm,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
        )

    @property
    def most_submodels(self) -> int:
        """The largest number of sub-models in a group in any round; 1 until it is settled."""
        given = self.n_submodels
        if isinstance(given, int):
            return given
        return 1 if isinstance(given, str) else max(given)

    def divided_for(self, network: Network, n_samples: int) -> TrainingOptions:
        """Return the same with a number in place of "auto", for so many training samples.

        Where partitions are redrawn it is 1: parts that are not to be joined fit each other worse.
        """
        if self.n_submodels != AUTO:
            return self
        number = 1 if self.redraws else auto_submodels(network, n_samples)
        return replace(self, n_submodels=number)
