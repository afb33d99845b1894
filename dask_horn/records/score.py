"""The score of a model on some rows, as sums that are added up in a fixed order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# What is left of a variance by rounding, over the sum of squares that it is the rest of.
_ROUNDING = 1e-13


@dataclass(frozen=True, eq=False, repr=False)
class Score:
    """Sums over samples, from which loss and score follow.

    Attributes
    ----------
    n : float
        Samples, or steps that are no padding where each step has a target; the sum of their
        weights where they have some.
    loss_sum : float
        Of their losses.
    correct : float
        How many are classified right; for several labels, all of them.
    error, target, target_square : ndarray of float64, (n_outputs,)
        For values: sums of ``(y - ŷ)²``, ``y`` and ``y²``, in units of the targets' scale.
    of_values : bool
        Whether the score is R² and not accuracy.

    Examples
    --------
    >>> nothing = np.zeros(1)
    >>> score = Score(4, 2.0, 3.0, nothing, nothing, nothing, False)
    >>> score
    Score(accuracy 0.7500, loss 0.5, n 4)
    >>> score.score, score.loss
    (0.75, 0.5)
    """

    n: float
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
        # scikit-learn's convention for constant targets: 1 where predicted exactly, else 0.
        constant = np.where(self.error == 0, 1.0, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.where(self.varies, 1 - self.error / self._variance, constant).mean())

    @property
    def varies(self) -> NDArray[np.bool_]:
        """For each output of values whether targets differ: else R² says nothing."""
        return np.asarray(self._variance > _ROUNDING * self.target_square)

    @property
    def _variance(self) -> NDArray[np.float64]:
        return self.target_square - self.target**2 / self.n

    @property
    def name(self) -> str:
        """What the score is: "accuracy" or "R²"."""
        return "R²" if self.of_values else "accuracy"

    def __repr__(self) -> str:
        return f"Score({self.name} {self.score:.4f}, loss {self.loss:.4g}, n {self.n:,.10g})"


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
