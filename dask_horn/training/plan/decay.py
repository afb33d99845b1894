"""AdamW's weight decay where none is given: by the number of samples, and by how noisy they are.

How noisy targets are, the run itself tells: by the training loss of its first rounds, as a share s
of the loss of the best constant. Samples are new to the model then, or nearly so, and what it does
not explain of them is noise, or what it has yet to learn; later it may have learned the noise by
heart. s / (1 - s) is the ratio of noise to signal, to which the best ridge penalty is proportional.

References
----------
Wang, Aitchison (2025), "How to set AdamW's weight decay as you scale model and dataset size", ICML,
section 3: the time over which weights are averaged, in passes, is what to keep.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dask_horn.data import Survey, TargetKind, Targets
from dask_horn.data.values.targets import class_codes

_ROWS, _OVER_RUN, _STRONGEST = 2500, 1.0, 1.0
_MOST_FACTOR = 16.0
# Factor for each unit of noise over signal: of classes, what is hard to tell looks like noise too.
_PER_RATIO: dict[TargetKind, float] = {"classes": 3.0, "labels": 3.0, "values": 6.0}
_FIRST_ROUNDS, _FEWEST_FIRST = 5, 3  # one of so many rounds; fewer have only begun to learn
_LEAST_LOSS = 1e-3  # nats: of targets that are all but constant


@dataclass(frozen=True)
class NoiseDecay:
    """How the decay follows from the noise.

    Attributes
    ----------
    first_rounds : int
        So many rounds have the decay `first`; the last one's loss settles that of all later ones.
    constant_loss : float
        The training loss of the best constant prediction, above 0.
    per_ratio : float
        Factor on the decay where there is as much noise as signal.
    by_samples : float
        The decay that the number of samples asks for, where there is no noise.
    least : float
        With which weights are averaged over no more than the whole run.
    most : float
        With which a step at the highest rate shrinks weights to 0, and not beyond.

    Examples
    --------
    >>> rule = NoiseDecay(3, constant_loss=0.5, per_ratio=3, by_samples=0.2, least=0.1, most=200)
    >>> [round(rule.settled(loss), 3) for loss in (0.01, 0.25)]
    [0.2, 0.6]
    """

    first_rounds: int
    constant_loss: float
    per_ratio: float
    by_samples: float
    least: float
    most: float

    @classmethod
    def of(
        cls,
        kind: TargetKind,
        n_samples: int,
        summed_rates: float,
        highest_rate: float,
        n_rounds: int,
        constant_loss: float,
    ) -> NoiseDecay:
        """Return the rule of a run.

        Parameters
        ----------
        kind : {"classes", "labels", "values"}
            What the targets mean.
        n_samples : int
        summed_rates, highest_rate : float
            Of the learning rates of all steps of a sub-model.
        n_rounds : int
            Of the whole run.
        constant_loss : float
        """
        return cls(
            first_rounds=n_rounds // _FIRST_ROUNDS,
            constant_loss=constant_loss,
            per_ratio=_PER_RATIO[kind],
            by_samples=min(_ROWS / n_samples, _STRONGEST),
            least=min(_OVER_RUN / summed_rates, _STRONGEST),
            most=1 / highest_rate,
        )

    @property
    def is_told(self) -> bool:
        """Whether there are rounds enough to tell noise from what is not learned yet."""
        return self.first_rounds >= _FEWEST_FIRST

    @property
    def first(self) -> float:
        """The decay in the first rounds: a prior that counts for less where data are many."""
        return max(self.by_samples, self.least)

    def settled(self, loss: float) -> float:
        """Return the decay in all later rounds, from the mean training loss of the last of them."""
        signal = max(self.constant_loss - loss, 1e-9)
        factor = min(max(self.per_ratio * loss / signal, 1.0), _MOST_FACTOR)
        return max(min(self.by_samples * factor, self.most), self.first)


def constant_loss(
    found: Survey, targets: Targets, class_weights: NDArray[np.float32] | None = None
) -> float:
    """Return the training loss of the best constant prediction.

    Parameters
    ----------
    found : Survey
    targets : Targets
        How they are encoded: a model's classes may be more than those that were found.
    class_weights : ndarray, (n_classes,), optional
        Factor on each class' loss.

    Returns
    -------
    float
        Above 0. For values it is that of squared_error: half the variance of those standardized,
        1/2 unless a model that is trained further has the scale of others.
    """
    if targets.classes is not None:
        counts = class_counts(found, targets)
        shares = counts / counts.sum()
        if class_weights is not None:
            shares = shares * class_weights
        return max(_entropy(shares / shares.sum()) * float(shares.sum()), _LEAST_LOSS)
    if targets.kind == "labels" and found.y is not None:
        ones = found.y.mean
        return max(float(np.mean([_entropy(np.array([p, 1 - p])) for p in ones])), _LEAST_LOSS)
    assert found.y is not None, "targets that are no classes have moments"
    assert targets.scale is not None, "values have a scale"
    return max(0.5 * float(np.mean((found.y.deviation / targets.scale) ** 2)), _LEAST_LOSS)


def class_counts(found: Survey, targets: Targets) -> NDArray[np.int64]:
    """Return the labels of each of the targets' classes; 0 for those that were not found."""
    assert targets.classes is not None, "targets that are classes have them"
    assert found.classes is not None, "a survey of classes finds them"
    assert found.class_counts is not None, "a survey of classes counts them"
    counts = np.zeros(len(targets.classes), np.int64)
    counts[class_codes(found.classes, targets.classes)] = found.class_counts
    return counts


def _entropy(shares: NDArray[np.float64]) -> float:
    """Return the entropy of a distribution, in nats."""
    present = shares[shares > 0]
    return float(-(present * np.log(present)).sum())
