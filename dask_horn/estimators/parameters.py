"""The documentation of the estimators' parameters, written once for both.

Defaults are read from the classes themselves, so that text and behaviour agree.
"""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
from collections.abc import Iterable
from typing import Any, TypeVar

from dask_horn.kernels.device import KNOWN_DEVICES, PRECISIONS
from dask_horn.program import RULES
from dask_horn.training.plan.merge_rules import MERGES


def _one_of(names: Iterable[str]) -> str:
    """Return the type of a parameter that is one of these names."""
    return "{" + ", ".join(f'"{name}"' for name in names) + "}"


# For each parameter: its type, and what it does.
_PARAMETERS = {
    "hidden_layer_sizes": (
        "int or sequence of int",
        "Number of units in each hidden layer; () for a linear model.",
    ),
    "layers": (
        "sequence of layers or None",
        "The hidden layers, such as ``[horn.Dense(800, activation='relu'), horn.Dropout(0.5)]``. "
        "They replace `hidden_layer_sizes`, `activation`, `dropout` and `dropconnect`. Leave out "
        "the output layer, which follows from `y`.",
    ),
    "activation": (
        '{"relu", "tanh", "sigmoid", "gelu", "leaky_relu", "linear"}',
        "Activation of the hidden layers.",
    ),
    "dropout": (
        "float or None",
        "Probability of dropping a hidden unit, for each sample and step. None takes 0.1 for "
        "classes and 0 for values.",
    ),
    "dropconnect": (
        "float",
        "Probability of dropping a weight or bias of a hidden layer, for each sample and step. It "
        "about doubles the time of a step. See `horn.Dense`.",
    ),
    "n_groups": (
        "int",
        "Number of worker groups. Each trains its own copy of the model on its own subset of the "
        "rows.",
    ),
    "n_submodels": (
        'int, sequence of int or "auto"',
        "Number of disconnected sub-models that each group divides its copy into; at most the "
        'units of the narrowest layer. "auto" divides only where that costs no accuracy: with '
        "10,000 samples or more, and a network whose hidden layers are all dense and at least 512 "
        "units wide, it takes the power of two, at most 8, that leaves each part 256 units of "
        "every layer. Else it is 1, which is undivided. `history_` tells how many there were. With "
        "a number K, the sub-models are joined towards the end of the run, to K/2, K/4, ..., 1, "
        "unless that would take longer than the rounds before. A sequence gives the number for "
        "each round; the last one repeats. Where the sub-models become fewer, a group with enough "
        "rows becomes several groups that share them, so that as many workers are busy as before. "
        "The division is drawn once for a run. `partial_fit`, training from `initial`, and a "
        'sequence that rises draw a new one in each round, where "auto" is 1.',
    ),
    "concentration": (
        "float or None",
        "Concentration of the Dirichlet distribution of the sub-models' sizes: the smaller it is, "
        "the more the sizes differ. None makes them equal.",
    ),
    "n_rounds": (
        "int",
        "Number of rounds. In each one the sub-models are trained, then merged.",
    ),
    "steps_per_round": (
        "int or None",
        "Optimizer steps of each sub-model per round. None takes one pass over the group's rows, "
        "but at least 50 steps, or 200 if four or more sub-models continue from a model.",
    ),
    "batch_size": (
        "int or None",
        "Number of samples per step. None takes 128, or less if there are few rows.",
    ),
    "optimizer": (_one_of(RULES), "Optimizer of the sub-models."),
    "learning_rate": (
        "float or None",
        "Highest learning rate of the schedule. None takes 0.05 for sgd. For adamw it takes 1 / n, "
        "at most 0.005 and at least 1/256, where n is the largest number of hidden inputs of a "
        "unit (in dense networks the width of the widest hidden layer), times √(K/2) in rounds of "
        "K > 2 sub-models. In runs of S > 3000 steps the least is 3000/S of that.",
    ),
    "momentum": ("float", "Momentum of sgd."),
    "beta_1": ("float", "Decay rate of adamw's first moment, the mean of the gradients."),
    "beta_2": ("float", "Decay rate of adamw's second moment, the mean of their squares."),
    "epsilon": ("float", "Added to the root of adamw's second moment, so that it is never 0."),
    "weight_decay": (
        "float or None",
        "Weight decay, not applied to biases: decoupled for adamw, an L2 penalty for sgd. None "
        "takes 0 for sgd and in `partial_fit`. Otherwise it takes 2500 / n_samples, at most 1; in "
        "runs of 15 rounds or more, up to 16 times as much after the first fifth of them where "
        "their loss tells of noise; and at least what would shrink weights without a gradient by "
        "1/e in the whole run.",
    ),
    "clip_norm": (
        "float or None",
        "Upper bound on the norm of a sub-model's gradient, which recurrent layers may need. None "
        "does not clip.",
    ),
    "schedule": ('{"cosine", "constant"}', "Schedule of the learning rate over all rounds."),
    "merge": (
        _one_of(MERGES),
        "Whether to average the groups into one model after each round, or to keep each group as "
        "a member of an ensemble, which predicts the members' mean.",
    ),
    "outer_learning_rate": (
        "float or None",
        "Learning rate of the Nesterov step that merges a round. None takes 0.7 if several groups "
        "are averaged, else 1, which takes the mean as it is.",
    ),
    "outer_momentum": (
        "float or None",
        "Momentum of the same step. None takes 0.7 if several groups are averaged, else 0.",
    ),
    "group_data": (
        '{"subset", "all"}',
        "Whether each group trains on its own subset of the rows, or on all rows.",
    ),
    "standardize": (
        "bool",
        "Whether to shift and scale features to mean 0 and variance 1.",
    ),
    "missing": (
        '{"error", "indicator"}',
        'What to do about missing values of the samples, such as NaN. "error" refuses them. '
        '"indicator" puts the column\'s mean in their place (0 with ``standardize=False``), and '
        "tells the network by one more "
        "input for each column that lacks values in the training rows.",
    ),
    "numeric_encoding": (
        '"auto" or None',
        'Whether `horn.PiecewiseLinear` and `horn.Periodic` encode the columns. With "auto" they '
        "do where samples are rows of at most 256 features and there are 400 of them: columns of "
        "more than two values have a bin for each 200 samples, at most 48, or half as many as they "
        "have values, 320 bins in all, and four frequencies, which are learned where more than 16 "
        "columns are encoded. With `layers`, ``standardize=False`` or a linear model nothing is "
        "encoded.",
    ),
    "tune": (
        '"quick" or None',
        'With "quick", `fit` first tries up to five presets: more dropout, none and more rounds, a '
        "deeper network, no encoding of numbers, and the defaults. It trains each of them on 85 % "
        "of the rows, takes the one with the lowest loss on the others (or the default where that "
        "is as good), and trains it on all rows. That takes seven to ten times as long, and "
        "computes a Dask array anew for each. Parameters that you have set to something else than "
        "their defaults stay as they are, and with `layers` or `initial` only `n_rounds` is tried. "
        "With `validation_data`, or where `early_stopping` holds out rows, presets are scored on "
        "these. Callbacks hear of the last fit only. `partial_fit` goes on with what `fit` has "
        "chosen, and chooses nothing itself.",
    ),
    "early_stopping": (
        "bool",
        "Whether to stop when the validation score no longer improves, and keep the best round's "
        "model.",
    ),
    "validation_fraction": (
        "float",
        "Fraction of the rows that early stopping holds out if it gets no validation data.",
    ),
    "n_iter_no_change": (
        "int",
        "Number of rounds without a better score after which early stopping stops.",
    ),
    "checkpoint": (
        "str or None",
        "Path or URL of a folder to save the run's state in. Each run has a folder of its own in "
        "it, named after its settings and data: `fit` resumes the run of the same settings and "
        "data, if there is one, and the fits of a search keep apart. Needs an integer "
        "`random_state`.",
    ),
    "scratch": (
        "str or None",
        "Folder or URL that all workers of a cluster share, for samples that are not in Zarr. None "
        "takes a folder in `checkpoint`, else Dask's temporary directory.",
    ),
    "absent_chunks": (
        '{"warn", "fill", "error"}',
        "What to do where `X` or `y` is a Zarr array that lacks chunks, in place of which its fill "
        "value is read: tell once for each array, take them as meant, or refuse.",
    ),
    "timeout": (
        "float or None",
        "Seconds without progress on the cluster, after which fitting ends with an error. None "
        "waits for as long as it takes.",
    ),
    "verbose": (
        "bool",
        "Whether to show what is done, on standard error: the set-up, a bar "
        "of the rounds with the time that is left, and how it ended. `set_callbacks` takes whoever "
        "else is to listen.",
    ),
    "random_state": (
        "int, RandomState or None",
        "Seed of all randomness. The same integer gives the same model on any number of workers.",
    ),
    "device": (
        _one_of(KNOWN_DEVICES),
        'Device to train on. "auto" is settled when the fit starts: a GPU if any worker has one, '
        "else the CPU. `history_.device` says which.",
    ),
    "precision": (
        _one_of(PRECISIONS),
        'How a GPU multiplies large matrices in training: "tf32" and "bf16" round the factors, to '
        "10 and 7 binary digits, for speed.",
    ),
    "class_weight": (
        '"balanced", mapping or None',
        "Weight of each class in the loss: a mapping from labels to weights (1 for labels that it "
        'does not name), or "balanced" for weights inverse to the class frequencies.',
    ),
    "loss": (
        '{"squared_error", "huber"}',
        "Loss of the standardized targets; huber is linear beyond one standard deviation.",
    ),
}

_Class = TypeVar("_Class", bound=type[Any])


def documented(cls: _Class) -> _Class:
    """Put the parameters' section in place of ``{parameters}`` in a dataclass's docstring."""
    if cls.__doc__:  # python -OO strips docstrings
        cls.__doc__ = inspect.cleandoc(cls.__doc__).replace("{parameters}", _section(cls))
    return cls


def _section(cls: type[Any]) -> str:
    lines = ["Parameters", "----------"]
    for field in dataclasses.fields(cls):
        kind, text = _PARAMETERS[field.name]
        lines.append(f"{field.name} : {kind}, default {field.default!r}")
        lines.append(textwrap.indent(textwrap.fill(text, 92), "    "))
    return "\n".join(lines)
