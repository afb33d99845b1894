"""What the values of a sample are: features, units at positions, steps, padding, tokens.

A network settles it and is not known here: the form says what reading, surveying and scoring have
to heed of it, in plain values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dask_horn.data.values.arrays import decoded_dtype
from dask_horn.data.values.plain import row_number

Standardizing = Literal["features", "units", "none"]


@dataclass(frozen=True)
class SampleForm:
    """What a network takes the values of a sample, and its targets, for.

    Attributes
    ----------
    shape : tuple of int
        One sample's, as the network takes it: steps or other positions first, units last.
        Left empty for a row of features.
    standardizing : {"features", "units", "none"}, default "features"
        Whether every value has a mean and a scale of its own, shares them with the same unit at
        all other positions, or stays as it is, as tokens must.
    mask_value : float, optional
        A step whose values all equal it is padding.
    n_tokens : int, optional
        Where the values are tokens: how many there are; they are counted from 0.
    target_steps : int, optional
        Where each step has a target of its own: how many steps there are.
    missing : bool, default False
        Whether values may be missing, which then is said by NaN. Samples are rows of features.

    Examples
    --------
    >>> form = SampleForm((3, 2), mask_value=-1.0, target_steps=3)
    >>> form.counted(np.array([[5, -1, 4, 2, -1, -1]]))
    array([[ True,  True, False]])
    """

    shape: tuple[int, ...] = ()
    standardizing: Standardizing = "features"
    mask_value: float | None = None
    n_tokens: int | None = None
    target_steps: int | None = None
    missing: bool = False

    @property
    def keeps_masks(self) -> bool:
        """Whether masks are looked at by who knows the form, since they may be no fault."""
        return self.missing or self.mask_value is not None

    @property
    def n_positions(self) -> int:
        """Positions over which a unit's mean and scale are shared."""
        return math.prod(self.shape[:-1]) if self.standardizing == "units" else 1

    @property
    def pads_targets(self) -> bool:
        """Whether there may be targets that belong to padding."""
        return self.target_steps is not None and self.mask_value is not None

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse samples of another shape than the form's; a row of all values will do."""
        if not self.shape or same_layout(shape, self.shape):
            return
        hint = ""
        if math.prod(shape) == math.prod(self.shape):
            hint = "; transpose them: positions or steps come first, channels or features last"
        raise ValueError(
            f"X has samples of shape {shape}, but the network takes samples of shape "
            f"{self.shape}{hint}"
        )

    def padding(self, x: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Tell which steps are padding.

        Parameters
        ----------
        x : numpy.ndarray, shape (n, ...)
            Samples as they are stored.

        Returns
        -------
        numpy.ndarray of bool, shape (n, steps), or None
            None where nothing is ever padding.
        """
        if self.mask_value is None:
            return None
        # As the kernels read it: half-precision numbers as float32.
        values = x.astype(decoded_dtype(x.dtype), copy=False)
        steps = values.reshape(len(x), self.shape[0], -1)
        padding: NDArray[np.bool_] = (steps == self.mask_value).all(axis=2)
        return padding

    def counted(self, x: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which targets of each sample count: those that do not belong to padding.

        Parameters
        ----------
        x : numpy.ndarray, shape (n, ...)
            Samples as they are stored.

        Returns
        -------
        numpy.ndarray of bool, shape (n, target_steps), or (n, 1) without steps
        """
        padding = self.padding(x) if self.pads_targets else None
        return np.ones((len(x), self.target_steps or 1), bool) if padding is None else ~padding

    def unpadded(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return what mean and scale are taken of: samples, or the positions that are no padding.

        Parameters
        ----------
        x : numpy.ndarray, shape (n, n_features)
            Samples as they are stored.

        Returns
        -------
        numpy.ndarray, shape (n, n_features) or (n_unpadded, units)
            The latter where units share their statistics and there is padding, but not only.
        """
        padding = self.padding(x) if self.standardizing == "units" else None
        if padding is None or not padding.any() or padding.all():
            return x
        positions = x.reshape(-1, self.shape[-1])
        return positions[np.repeat(~padding.ravel(), self.n_positions // self.shape[0])]

    def unpadded_values(self, x: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Tell which values do not belong to padding; None where there never is any.

        Examples
        --------
        >>> SampleForm((2, 1), mask_value=-1.0).unpadded_values(np.array([[5, -1]]))
        array([[ True, False]])
        """
        padding = self.padding(x)
        if padding is None:
            return None
        return np.repeat(~padding, x[0].size // padding.shape[1], axis=1)

    def unmasked(self, x: Any) -> Any:
        """Return samples in which padding is masked no more, where they are masked at all.

        Examples
        --------
        >>> masked = np.ma.masked_equal([[5, -1]], -1)
        >>> SampleForm((2, 1), mask_value=-1.0).unmasked(masked).mask
        array([[False, False]])
        """
        if not isinstance(x, np.ma.MaskedArray) or self.mask_value is None:
            return x
        values = np.ma.getdata(x)
        own = self.unpadded_values(values.reshape(len(values), -1))
        assert own is not None, "there is a mask value"
        left = x.copy()
        left.mask = np.ma.getmaskarray(x) & own.reshape(values.shape)
        return left

    def target_word(self, shape: tuple[int, ...]) -> str:
        """Say what the columns of targets of this shape are, for messages."""
        if self.target_steps is None:
            return "output"
        return "step" if shape[2:] in ((), (1,)) else "value"

    def fault(self, x: NDArray[Any], first_row: int | None = 0) -> str | None:
        """Describe the first sample that is nothing but padding, or holds what is no token.

        Parameters
        ----------
        x : numpy.ndarray, shape (n, ...)
            Samples as they are stored.
        first_row : int or None, default 0
            The number of the first of them; None where they are a chunk of unknown place.

        Returns
        -------
        str or None
            A sentence; None where all is well.
        """
        padding = self.padding(x)
        if padding is not None and (empty := padding.all(axis=1)).any():
            place = row_number(int(np.argmax(empty)), first_row)
            return (
                f"X holds nothing but padding at sample {place}, where all "
                f"steps equal mask_value={self.mask_value:g}; leave that sample out."
            )
        if self.n_tokens is None:
            return None
        return _first_stranger(x.reshape(len(x), -1), padding, self.n_tokens, first_row)


#: Each sample is a row of features and has one target, or one row of them.
FEATURES = SampleForm()


def _first_stranger(
    x: NDArray[Any], padding: NDArray[np.bool_] | None, n_tokens: int, first_row: int | None
) -> str | None:
    """Describe the first value that is neither a token nor padding."""
    known = (x >= 0) & (x < n_tokens)
    if x.dtype.kind == "f":
        known &= x == np.floor(x)
    if padding is not None:
        known |= padding
    if known.all():
        return None
    row, step = np.argwhere(~known)[0]
    place = row_number(int(row), first_row)
    return (
        f"X holds {x[row, step]} at sample {place}, step {step}, which is no token; pass whole "
        f"numbers from 0 to {n_tokens - 1}, or take an Embedding of more tokens."
    )


def same_layout(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether values lie in the same order in both, as they do where one is a single row."""
    if len(shape) <= 1 or len(other) <= 1:
        return math.prod(shape) == math.prod(other)
    return [n for n in shape if n != 1] == [n for n in other if n != 1]
