"""The score of a parent on validation rows, as sums that tasks add up in a fixed order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Score:
    """Sums over samples, from which loss and score follow.

    Attributes
    ----------
    n : int
        Samples, or steps that are no padding where each step has a target.
    loss_sum : float
        Of their losses.
    correct : float
        How many are classified right; for several labels, all of them.
    error, target, target_square : ndarray of float64, (n_outputs,)
        For values: sums of ``(y - ŷ)²``, ``y`` and ``y²``, in units of the targets' scale.
    of_values : bool
        Whether the score is R² and not accuracy.
    """

    n: int
    loss_sum: float
    correct: float
    error: NDArray[np.float64]
    target: NDArray[np.float64]
    target_square: NDArray[np.float64]
    of_values: bool

    @property
    def loss(self) -> float:
        """Mean loss."""
        return self.loss_sum / self.n

    @property
    def score(self) -> float:
        """Accuracy, or R² averaged over the outputs."""
        if not self.of_values:
            return self.correct / self.n
        variance = self.target_square - self.target**2 / self.n
        # scikit-learn's convention for constant targets: 1 where predicted exactly, else 0.
        constant = np.where(self.error == 0, 1.0, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.where(variance > 0, 1 - self.error / variance, constant).mean())


def add_scores(scores: Sequence[Score]) -> Score:
    """Add scores of disjoint rows, in their order."""
    total = scores[0]
    for other in scores[1:]:
        total = Score(
            total.n + other.n,
            total.loss_sum + other.loss_sum,
            total.correct + other.correct,
            total.error + other.error,
            total.target + other.target,
            total.target_square + other.target_square,
            total.of_values,
        )
    return total
