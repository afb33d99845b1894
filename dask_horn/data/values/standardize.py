"""Centre and scale of the features: what is subtracted and divided before the first layer.

The kernel that gathers a batch applies them; here they are only found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data.values.ranges import Ranges
from dask_horn.data.values.whole import less, origin_of

# A spread this small beside the mean is the rounding of a constant, not a signal.
_CONSTANT = 1e-13

# Numbers that are float64 at a time.
_TOGETHER = 2**16


def scale_of(
    mean: NDArray[np.float64],
    deviation: NDArray[np.float64],
    rest: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return standard deviations, with 1 where a value is constant.

    Parameters
    ----------
    mean, deviation : numpy.ndarray of float64, shape (n,)
        Mean and population standard deviation of each column.
    rest : numpy.ndarray of float64, shape (n,), optional
        What the means have lost by rounding, where that is known: no spread is then too small.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        What to divide by; always above 0.

    Examples
    --------
    >>> scale_of(np.array([5.0, 0.0]), np.array([0.0, 2.0]))
    array([1., 2.])
    """
    least = _CONSTANT * np.abs(mean) if rest is None else np.zeros_like(mean)
    # What is divided by must have an inverse.
    return np.where(deviation > least, np.maximum(deviation, np.finfo(np.float64).tiny), 1.0)


def _shared_scale(
    own: NDArray[np.float64],
    deviation: NDArray[np.float64],
    ranges: Ranges,
    most: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the scales where most features have one range; see `Standardizer.from_moments`."""
    shared = np.sqrt(np.mean(np.square(deviation[most])))
    low, high = ranges.low[most][0], ranges.high[most][0]
    within = (ranges.low >= low) & (ranges.high <= high)
    width = ranges.high - ranges.low
    least = np.maximum(own, shared * width / (high - low))
    least[width == 0] = shared  # of a constant nothing else is known
    return np.where(most, shared, np.where(within, least, own))


@dataclass(frozen=True, eq=False)
class Standardizer:
    """Centre and scale of each feature.

    Attributes
    ----------
    mean : numpy.ndarray of float64, shape (n_features,)
        Subtracted from each feature.
    scale : numpy.ndarray of float64, shape (n_features,)
        What the difference is divided by; above 0, and 1 for a feature that is constant.
    rest : numpy.ndarray of float64 or None, shape (n_features,)
        What the means have lost by rounding, where features are whole numbers of 64 bits that
        float64 may not hold: then samples are brought near 0 by `shifted`, as float64, before
        anything rounds them, and `scaling` is what is left to do. So are float32 samples whose
        differences may leave the range of float32.

    Raises
    ------
    ValueError
        If the two differ in shape, or a scale is not above 0.

    Examples
    --------
    >>> Standardizer.from_moments(np.array([1.0]), np.array([2.0])).scale
    array([2.])
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    rest: NDArray[np.float64] | None = None

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
        deviation: NDArray[np.float64],
        ranges: Ranges | None = None,
        rest: NDArray[np.float64] | None = None,
    ) -> Standardizer:
        """Return the standardizer for features with these moments.

        Each feature has its own scale, its standard deviation. But where most features are whole
        numbers of one and the same range, as pixels are, these share one scale: the root mean
        square of their deviations. Any other feature within that range is divided by no less than
        its share of it. Dividing a pixel that is nearly always 0 by its own small deviation would
        make noise the loudest input. The dtype of the samples tells nothing.

        Parameters
        ----------
        mean, deviation : numpy.ndarray of float64, shape (n_features,)
            Mean and population standard deviation over the training samples.
        ranges : Ranges, optional
            Their least and greatest values; without them each feature has its own scale.
        rest : numpy.ndarray of float64, shape (n_features,), optional
            What the means have lost by rounding.
        """
        scale = scale_of(mean, deviation, rest)
        most = None if ranges is None else ranges.most()
        if ranges is not None and most is not None:
            scale = _shared_scale(scale, deviation, ranges, most)
        return cls(mean, scale, rest)

    def repeated(self, n_positions: int) -> Standardizer:
        """Return the standardizer for samples that have these features at so many positions."""
        if n_positions == 1:
            return self
        rest = None if self.rest is None else np.tile(self.rest, n_positions)
        return Standardizer(np.tile(self.mean, n_positions), np.tile(self.scale, n_positions), rest)

    @property
    def origin(self) -> NDArray[np.float64] | None:
        """What `shifted` subtracts: whole numbers; None where it does nothing."""
        return None if self.rest is None else origin_of(self.mean)

    @property
    def scaling(self) -> Standardizer:
        """Return what standardizes samples that are shifted."""
        if self.rest is None:
            return self
        return Standardizer(self.mean - origin_of(self.mean) + self.rest, self.scale)

    def shifted(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return samples less the origin, as float64; themselves where there is none.

        Parameters
        ----------
        x : numpy.ndarray, shape (n, n_features)
        """
        return x if self.origin is None else less(x, self.origin)

    def applied(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return samples as the first layer gets them: as the kernel does it, bit for bit.

        Parameters
        ----------
        x : numpy.ndarray, shape (n, n_features)
            As they are stored.

        Examples
        --------
        >>> Standardizer(np.array([1.0]), np.array([2.0])).applied(np.array([[5], [1]]))
        array([[2.],
               [0.]], dtype=float32)
        """
        scaling = self.scaling
        inverse = 1.0 / scaling.scale
        out = np.empty(x.shape, np.float32)
        step = max(1, _TOGETHER // max(1, x.shape[1]))
        with np.errstate(over="ignore"):
            for start in range(0, len(x), step):
                some = self.shifted(x[start : start + step]).astype(np.float64, copy=False)
                out[start : start + step] = (some - scaling.mean) * inverse
        return out
