"""How the mean of a round's deltas changes the parent: one entry for each rule.

References
----------
Douillard et al. (2023), "DiLoCo", arXiv:2311.08105, algorithm 1: the outer Nesterov step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels.slices import outer_step
from dask_horn.records import SubmodelReport
from dask_horn.training.plan.spec import OuterStep, RoundPlan

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class MergeRule:
    """A rule of the merge.

    Attributes
    ----------
    n_states : int
        Vectors of the parent's length that it keeps between rounds.
    weigh : callable
        From a sub-model's report to the weight of its delta in the mean.
    step : callable
        ``step(parameters, states, total, count, settings)``: changes parameters and states in
        place by the mean delta ``total / count``. An entry without a holder, whose count is 0,
        keeps its value and its states.
    """

    n_states: int
    weigh: Callable[[SubmodelReport], float]
    step: Callable[[Floats, tuple[Floats, ...], Floats, Floats, OuterStep], None]


def _samples(report: SubmodelReport) -> float:
    return report.samples


def _nesterov(
    parameters: Floats,
    states: tuple[Floats, ...],
    total: Floats,
    count: Floats,
    settings: OuterStep,
) -> None:
    momentum = states[0] if states else np.zeros_like(parameters)
    rate, mu = np.float32(settings.rate), np.float32(settings.momentum)
    outer_step(parameters, momentum, total, count, rate, mu)


MERGE_RULES: Mapping[str, MergeRule] = {
    "mean": MergeRule(n_states=0, weigh=_samples, step=_nesterov),
    "nesterov": MergeRule(n_states=1, weigh=_samples, step=_nesterov),
}

# One rule, which keeps no momentum where it has none: asked for as "average".
_AVERAGES = ("mean", "nesterov")

#: What the option `merge` may be.
MERGES = ("average", "ensemble", *(name for name in MERGE_RULES if name not in _AVERAGES))


def rule_name(merge: str, rounds: Sequence[RoundPlan]) -> str:
    """Return the rule that the option `merge` stands for in these rounds."""
    if merge in MERGE_RULES:
        return merge
    return "nesterov" if any(plan.outer_step.momentum for plan in rounds) else "mean"
