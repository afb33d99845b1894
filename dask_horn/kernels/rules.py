"""How an optimizer moves one parameter by its gradient: bodies that both devices share.

A new rule is two functions here and an entry in the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.opcodes import CLIP, RATE, RULE, STEP


class Rule(NamedTuple):
    """How one optimizer moves a parameter."""

    n_states: int  #: one or two
    n_constants: int  #: how many numbers a step has
    constants: Callable[..., Any]  #: ``(row, counters, scalars)``: a step's numbers, found once
    move: Callable[..., Any]  #: ``(constants, w, g, *states)``: w and its states after the step


@inlined
def _sgd_constants(row: Any, counters: Any, scalars: Any) -> Any:
    """At RULE: μ, 1 for Nesterov, λ."""
    momentum = np.float32(scalars[row[RULE]])
    nesterov = scalars[row[RULE] + 1]
    decay = np.float32(scalars[row[RULE] + 2])
    # One form for both: the step is ahead·g + behind·v.
    ahead = np.float32(nesterov)
    behind = momentum if nesterov > 0 else np.float32(1)
    return np.float32(scalars[CLIP]), momentum, decay, ahead, behind, np.float32(scalars[RATE])


@inlined
def _sgd_move(constants: Any, w: Any, g: Any, v: Any) -> Any:
    """``v ← μ v + g + λ w``, then ``w ← w - r v``.

    With Nesterov instead ``w ← w - r (g + λ w + μ v)``.
    """
    factor, momentum, decay, ahead, behind, rate = constants
    slope = factor * g + decay * w
    v = momentum * v + slope
    return w - rate * (ahead * slope + behind * v), v


@inlined
def _adamw_constants(row: Any, counters: Any, scalars: Any) -> Any:
    """At RULE: β₁, β₂, ε, λ."""
    beta1, beta2 = scalars[row[RULE]], scalars[row[RULE] + 1]
    step = counters[STEP] + 1
    correction1 = 1.0 - beta1**step
    correction2 = math.sqrt(1.0 - beta2**step)
    return (
        np.float32(scalars[CLIP]),
        np.float32(beta1),
        np.float32(1.0 - beta1),
        np.float32(beta2),
        np.float32(1.0 - beta2),
        np.float32(scalars[RATE] / correction1),
        np.float32(1.0 - scalars[RATE] * scalars[row[RULE] + 3]),
        np.float32(1.0 / correction2),
        np.float32(scalars[row[RULE] + 2]),
    )


@inlined
def _adamw_move(constants: Any, w: Any, g: Any, m: Any, v: Any) -> Any:
    """AdamW with bias correction: decay is decoupled from the gradient.

    References
    ----------
    Loshchilov, Hutter (2019), "Decoupled weight decay regularization", ICLR, algorithm 2.
    """
    factor, beta1, rest1, beta2, rest2, rate, keep, inverse, epsilon = constants
    slope = factor * g
    m = beta1 * m + rest1 * slope
    v = beta2 * v + rest2 * slope * slope
    return keep * w - rate * m / (math.sqrt(v) * inverse + epsilon), m, v


#: How each optimizer moves a parameter, by its name.
RULES = {
    "sgd": Rule(1, 6, _sgd_constants, _sgd_move),
    "adamw": Rule(2, 9, _adamw_constants, _adamw_move),
}
