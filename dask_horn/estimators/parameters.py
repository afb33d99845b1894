"""What the estimators' parameters mean, written once for both of them.

Defaults are read from the classes themselves, so that text and behaviour agree.
"""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
from typing import Any, TypeVar

__all__ = ["documented"]

# Of each parameter: its type, and what it does.
_PARAMETERS = {
    "hidden_layer_sizes": (
        "int or sequence of int",
        "Units of each hidden layer; () for a linear model.",
    ),
    "layers": (
        "sequence of layers or None",
        "The hidden layers themselves, such as ``[horn.Dense(800, activation='relu'), "
        "horn.Dropout(0.5)]``, in place of `hidden_layer_sizes`, `activation`, `dropout` and "
        "`dropconnect`. The output layer is never among them: it follows from `y`.",
    ),
    "activation": (
        '{"relu", "tanh", "sigmoid", "gelu", "leaky_relu", "linear"}',
        "Of the hidden layers.",
    ),
    "dropout": ("float", "Probability that a hidden unit is dropped, per sample and step."),
    "dropconnect": (
        "float",
        "Probability that a weight or bias of a hidden layer is dropped, per sample and step: a "
        "step of such a layer takes about twice as long. See `horn.Dense`.",
    ),
    "n_groups": (
        "int",
        "Worker groups, each with its own copy of the model and its own subset of the rows.",
    ),
    "n_submodels": (
        "int or sequence of int",
        "Disconnected sub-models that each group divides its copy into. A number K stands for a "
        "run that ends by K/2, K/4, ..., 1, as far as that takes no longer than the rounds before; "
        "a sequence gives each round's own, the last one repeated. Where the sub-models become "
        "fewer, a group with rows enough becomes several that share them, so that as many workers "
        "are busy as before. The division is drawn once, and parts are joined as they become "
        "fewer; `partial_fit`, going on from `initial`, and a sequence that rises draw a new one "
        "in each round. At most the units of the narrowest layer.",
    ),
    "concentration": (
        "float or None",
        "Of the Dirichlet distribution of the sub-models' sizes: the smaller, the more irregular; "
        "None makes them equal.",
    ),
    "n_rounds": ("int", "Rounds: divide, train all sub-models, merge."),
    "steps_per_round": (
        "int or None",
        "Optimizer steps of each sub-model in a round; None for one pass over the group's rows, "
        "but never fewer than 50, or than 200 where four sub-models or more go on from a model.",
    ),
    "batch_size": ("int or None", "Samples in a step; None for 128, and less where rows are few."),
    "optimizer": ('{"adamw", "sgd"}', "Of the sub-models."),
    "learning_rate": (
        "float or None",
        "The highest of the schedule; None for 0.05 with sgd, and with adamw for 1 over the most "
        "hidden inputs of a unit (in dense networks the units of the widest hidden layer), at most "
        "0.005, times √(K/2) in rounds of K > 2 sub-models.",
    ),
    "momentum": ("float", "Momentum of sgd."),
    "beta_1": ("float", "Decay of adamw's first moment, the mean of the gradients."),
    "beta_2": ("float", "Decay of adamw's second moment, the mean of their squares."),
    "epsilon": ("float", "Added to the root of adamw's second moment, so that it is never 0."),
    "weight_decay": (
        "float or None",
        "Of the weights, not the biases; decoupled for adamw, an L2 penalty for sgd. None for 0 "
        "with sgd and in `partial_fit`; else for 2500 over the number of rows, but at most 1, and "
        "at least what would shrink weights without a gradient by 1/e in the whole run.",
    ),
    "clip_norm": (
        "float or None",
        "Bound on the norm of a sub-model's whole gradient, which recurrent layers may need; None "
        "leaves it alone.",
    ),
    "schedule": ('{"cosine", "constant"}', "Of the learning rate, over all rounds."),
    "merge": (
        '{"average", "ensemble"}',
        "Whether the groups are merged into one model after each round, or never: then each is a "
        "member of an ensemble, whose mean is predicted.",
    ),
    "outer_learning_rate": (
        "float or None",
        "Of the Nesterov step with which a round is merged. None for 0.7 where several groups are "
        "merged into one model, and 1, which merges plainly, elsewhere.",
    ),
    "outer_momentum": ("float or None", "Of the same step: 0.7, and 0 elsewhere."),
    "group_data": (
        '{"subset", "all"}',
        "Whether each group trains on its own subset of the rows, or on all.",
    ),
    "standardize": ("bool", "Whether features are shifted and scaled to mean 0 and variance 1."),
    "early_stopping": (
        "bool",
        "Whether to stop when the validation score no longer rises, and keep the best round's "
        "model.",
    ),
    "validation_fraction": (
        "float",
        "Share of the rows that early stopping holds out, where it gets no validation data.",
    ),
    "n_iter_no_change": ("int", "Rounds without a better score that early stopping waits."),
    "checkpoint": (
        "str or None",
        "Path or URL of a folder. A fit that finds its own checkpoint there goes on from it; "
        "needs a `random_state` that is an integer.",
    ),
    "verbose": ("bool", "Whether progress is shown."),
    "random_state": (
        "int, RandomState or None",
        "Settles all that is random: the same integer gives the same model, on any number of "
        "workers.",
    ),
    "device": (
        '{"cpu", "auto"}',
        'What the sub-models are trained on; "auto" is settled when the fit starts, and '
        "``history_.device`` is what it was.",
    ),
    "class_weight": (
        '"balanced", mapping or None',
        "Weight of each class in the loss: inversely to its frequency, or by label (1 where it "
        "is not named).",
    ),
    "loss": (
        '{"squared_error", "huber"}',
        "Of the standardized targets; huber is linear beyond one standard deviation.",
    ),
}

_Class = TypeVar("_Class", bound=type[Any])


def documented(cls: _Class) -> _Class:
    """Put the parameters' section where a dataclass' docstring says ``{parameters}``."""
    if cls.__doc__:  # there is none under python -OO
        cls.__doc__ = inspect.cleandoc(cls.__doc__).replace("{parameters}", _section(cls))
    return cls


def _section(cls: type[Any]) -> str:
    lines = ["Parameters", "----------"]
    for field in dataclasses.fields(cls):
        kind, text = _PARAMETERS[field.name]
        lines.append(f"{field.name} : {kind}, default {field.default!r}")
        lines.append(textwrap.indent(textwrap.fill(text, 92), "    "))
    return "\n".join(lines)
