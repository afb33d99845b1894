"""Centre and scale of the features: what is subtracted and divided before the first layer.

The kernel that gathers a batch applies them; here they are only found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A spread this small beside the mean is the rounding of a constant, not a signal.
_CONSTANT = 1e-13


def scale_of(mean: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return standard deviations, with 1 where a value is constant.

    Parameters
    ----------
    mean, variance : numpy.ndarray of float64, shape (n,)
        Mean and population variance of each column.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        What to divide by; always above 0.

    Examples
    --------
    >>> scale_of(np.array([5.0, 0.0]), np.array([0.0, 4.0]))
    array([1., 2.])
    """
    deviation = np.sqrt(variance)
    return np.where(deviation > _CONSTANT * np.abs(mean), deviation, 1.0)


@dataclass(frozen=True, eq=False)
class Standardizer:
    """Centre and scale of each feature.

    Attributes
    ----------
    mean : numpy.ndarray of float64, shape (n_features,)
        Subtracted from each feature.
    scale : numpy.ndarray of float64, shape (n_features,)
        What the difference is divided by; above 0, and 1 for a feature that is constant.

    Raises
    ------
    ValueError
        If the two differ in shape, or a scale is not above 0.

    Examples
    --------
    >>> Standardizer.from_moments(np.array([1.0]), np.array([4.0]), "float64").scale
    array([2.])
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check the two arrays against each other."""
        if self.mean.ndim != 1 or self.mean.shape != self.scale.shape:
            raise ValueError(
                f"mean has shape {self.mean.shape} and scale {self.scale.shape}; "
                "pass one of each per feature."
            )
        if not np.all(np.isfinite(self.mean)) or not np.all(self.scale > 0):
            raise ValueError(
                "mean or scale holds a value that is not finite or not above 0; use scale 1 "
                "for a constant feature."
            )

    @classmethod
    def identity(cls, n_features: int) -> Standardizer:
        """Return the standardizer that changes nothing."""
        return cls(np.zeros(n_features), np.ones(n_features))

    @classmethod
    def from_moments(
        cls,
        mean: NDArray[np.float64],
        variance: NDArray[np.float64],
        dtype: np.dtype[Any] | str,
    ) -> Standardizer:
        """Return the standardizer for features with these moments.

        Parameters
        ----------
        mean, variance : numpy.ndarray of float64, shape (n_features,)
            Mean and population variance over the training samples.
        dtype : numpy.dtype or str
            The samples' dtype. Where it is uint8 the features are taken to be pixels, which
            share one scale: dividing a pixel that is nearly always 0 by its own small
            deviation would make noise the loudest input.

        Returns
        -------
        Standardizer
            With the mean of each feature, and its scale or the common one.
        """
        if np.dtype(dtype) == np.uint8:
            shared = scale_of(np.zeros(1), np.mean(variance, keepdims=True))
            return cls(mean, np.full_like(mean, shared[0]))
        return cls(mean, scale_of(mean, variance))

    def repeated(self, n_positions: int) -> Standardizer:
        """Return the standardizer for samples that have these features at so many positions."""
        if n_positions == 1:
            return self
        return Standardizer(np.tile(self.mean, n_positions), np.tile(self.scale, n_positions))
