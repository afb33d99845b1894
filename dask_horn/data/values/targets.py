"""Targets: from labels and values to the float32 columns that the loss reads, and back.

The loss sees numbers only; which label each class index stands for, and in which unit a value
is measured, is known here. Nothing here reads a store.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from dask_horn.checks import checked_choice
from dask_horn.data.values.arrays import check_target_shape, plain_labels
from dask_horn.data.values.readable import check_one_type
from dask_horn.data.values.whole import is_long, less, origin_of

TargetKind = Literal["classes", "labels", "values"]

# Share of a standard deviation that rounding a prediction may lose.
_LOST = 1e-4

# By how much at most float32 rounds a number, as a share of it; and a number near 0.
_HALF_STEP, _LEAST_STEP = 2.0**-24, 2.0**-150

# Standard deviations from the mean that predictions may well be.
_FAR = 1e4


@dataclass(frozen=True, eq=False)
class Targets:
    """What the targets mean and how they are encoded.

    Attributes
    ----------
    kind : {"classes", "labels", "values"}
        One class per sample, several yes-or-no labels, or numbers.
    classes : numpy.ndarray or None, shape (n_classes,)
        The label of each class index; None unless ``kind`` is "classes".
    mean : numpy.ndarray of float64 or None, shape (n_outputs,)
        Mean of each value, in the targets' unit; None unless ``kind`` is "values".
    scale : numpy.ndarray of float64 or None, shape (n_outputs,)
        Standard deviation of each value, in the targets' unit, likewise.
    n_outputs : int
        Outputs that the network needs.
    flat : bool
        Whether ``y`` had no dimension for its outputs, so that decoded labels and values have
        none either.
    steps : int or None
        Steps of each sample that have targets of their own; None where the sample has.

    Examples
    --------
    >>> targets = Targets.of_classes(np.array(["cat", "dog"]))
    >>> targets.encode(np.array(["dog", "cat"]))
    array([[1.],
           [0.]], dtype=float32)
    >>> targets.decode(np.array([[0.2, 0.8]]))
    array(['dog'], dtype='<U3')
    """

    kind: TargetKind
    classes: NDArray[Any] | None
    mean: NDArray[np.float64] | None
    scale: NDArray[np.float64] | None
    n_outputs: int
    flat: bool = True
    steps: int | None = None

    def __post_init__(self) -> None:
        """Check that the fields suit the kind."""
        check_kind(self.kind)
        if (self.kind == "classes") != (self.classes is not None):
            raise ValueError(
                f"kind={self.kind!r} does not go with classes={self.classes!r}; "
                "pass classes where kind is 'classes', and only there."
            )
        if (self.kind == "values") != (self.mean is not None and self.scale is not None):
            raise ValueError(
                f"kind={self.kind!r} does not go with mean={self.mean!r}, scale={self.scale!r}; "
                "pass both where kind is 'values', and only there."
            )

    @classmethod
    def of_classes(cls, classes: NDArray[Any], steps: int | None = None) -> Targets:
        """Return targets that are one of ``classes`` per sample, or per step."""
        return cls("classes", classes, None, None, len(classes), steps=steps)

    @classmethod
    def of_labels(cls, n_labels: int, flat: bool = False, steps: int | None = None) -> Targets:
        """Return targets that are ``n_labels`` zeros and ones per sample, or per step."""
        return cls("labels", None, None, None, n_labels, flat, steps)

    @classmethod
    def of_values(
        cls,
        mean: NDArray[np.float64],
        scale: NDArray[np.float64],
        flat: bool = False,
        steps: int | None = None,
    ) -> Targets:
        """Return targets that are numbers with this mean and scale."""
        return cls("values", None, mean, scale, len(mean), flat, steps)

    @cached_property
    def token(self) -> str:
        """Text that is the same for targets that encode in the same way."""
        told = repr((self.kind, self.n_outputs, self.steps))
        digest = hashlib.blake2b(told.encode(), digest_size=16)
        for part in (self.mean, self.scale):
            digest.update(b"" if part is None else part.tobytes())
        if self.classes is not None:
            digest.update(repr(self.classes.tolist()).encode())
        return digest.hexdigest()

    @cached_property
    def value_dtype(self) -> np.dtype[np.floating[Any]]:
        """The dtype of values that are decoded.

        float64 where float32 would lose more than 1e-4 of a value's standard deviation, as it does
        where the mean is 1,700 of them or more, or could not hold it; else float32.
        """
        if self.mean is None or self.scale is None:
            return np.dtype(np.float32)
        largest = np.abs(self.mean) + _FAR * self.scale
        lost = np.maximum(np.abs(self.mean) * _HALF_STEP, _LEAST_STEP)
        wide = (largest > np.finfo(np.float32).max) | (lost > _LOST * self.scale)
        return np.dtype(np.float64 if wide.any() else np.float32)

    @property
    def n_columns(self) -> int:
        """Columns that `encode` gives."""
        return (1 if self.kind == "classes" else self.n_outputs) * (self.steps or 1)

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Refuse targets of a shape that these are not encoded from."""
        check_target_shape(shape, self.kind, self.steps)
        columns = math.prod(shape[1:] if self.steps is None else shape[2:])
        if self.kind != "classes" and columns != self.n_outputs:
            raise ValueError(
                f"y has {columns} columns and the model {self.n_outputs} outputs; "
                f"pass {self.n_outputs} targets per {'sample' if self.steps is None else 'step'}."
            )

    def encode(self, y: NDArray[Any]) -> NDArray[np.float32]:
        """Return targets as the loss reads them.

        Parameters
        ----------
        y : numpy.ndarray, shape (n,) or (n, n_outputs), with steps as dimension 1 if there are
            Labels of any kind, zeros and ones, or numbers.

        Returns
        -------
        numpy.ndarray of float32, shape (n, n_columns), C-contiguous
            The class index, the labels as 0 and 1, or standardized values; step after step.

        Raises
        ------
        ValueError
            If ``y`` holds a class that is not among ``classes``, a label that is neither 0
            nor 1, or another number of outputs.
        """
        self.check_shape(y.shape)
        if self.classes is not None:
            codes = class_codes(y.reshape(-1), self.classes)
            return codes.astype(np.float32).reshape(-1, self.n_columns)
        columns = y.reshape(len(y) * (self.steps or 1), -1)
        if self.kind == "values":
            columns = self.standardized(columns)
        else:
            check_labels(columns.reshape(len(y), -1))
        return np.ascontiguousarray(columns, dtype=np.float32).reshape(-1, self.n_columns)

    def standardized(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return numbers as the loss sees them, in float64.

        Parameters
        ----------
        values : numpy.ndarray, shape (..., n_outputs), or any shape where there is one output
            Numbers in the targets' unit.

        Examples
        --------
        >>> Targets.of_values(np.array([7.0]), np.array([2.0])).standardized(np.array([8, 5]))
        array([ 0.5, -1. ])
        """
        mean, scale = np.asarray(self.mean), np.asarray(self.scale)
        origin = origin_of(mean)
        if is_long(values.dtype) and origin.any():
            return np.asarray((less(values, origin) - (mean - origin)) / scale)
        return np.asarray((values - mean) / scale)

    def decode(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return predictions in the user's own terms.

        Parameters
        ----------
        outputs : numpy.ndarray, shape (n, n_outputs) or (n, steps, n_outputs)
            The network's outputs, before softmax or sigmoid.

        Returns
        -------
        numpy.ndarray
            The label of the highest score; labels as 0 and 1 (an output above 0, which is a
            probability above one half); or values in the targets' unit, of `value_dtype`.
        """
        if self.classes is not None:
            return cast("NDArray[Any]", self.classes[np.argmax(outputs, axis=-1)])
        if self.mean is not None and self.scale is not None:
            decoded = (outputs * self.scale + self.mean).astype(self.value_dtype)
        else:
            decoded = (outputs > 0).astype(np.int64)
        return decoded[..., 0] if self.flat and self.n_outputs == 1 else decoded

    def rescaled(self, values: NDArray[np.float64], other: Targets) -> NDArray[np.float64]:
        """Return standardized values, of the scale of `other` targets, in these targets' scale.

        Examples
        --------
        >>> own = Targets.of_values(np.array([7.0]), np.array([2.0]))
        >>> own.rescaled(np.array([[0.5]]), Targets.of_values(np.array([8.0]), np.array([4.0])))
        array([[1.5]])
        """
        if other.token == self.token:
            return values
        scale, apart = np.asarray(self.scale), np.asarray(other.mean) - np.asarray(self.mean)
        return np.asarray(values * (np.asarray(other.scale) / scale) + apart / scale)


def outputs_in_words(kind: str, n_outputs: int, steps: int | None) -> str:
    """Say what is predicted.

    Examples
    --------
    >>> outputs_in_words("classes", 10, None), outputs_in_words("values", 1, 20)
    ('10 classes', '1 value for each of 20 steps')
    """
    one, several = {"classes": ("class", "classes"), "labels": ("label", "labels")}.get(
        kind, ("value", "values")
    )
    of_steps = "" if steps is None else f" for each of {steps} steps"
    return f"{n_outputs:,} {one if n_outputs == 1 else several}{of_steps}"


def check_kind(kind: str) -> None:
    """Refuse a kind of target that does not exist."""
    checked_choice("target_kind", kind, get_args(TargetKind))


def check_labels(columns: NDArray[Any], first_row: int = 0) -> None:
    """Refuse labels that are neither 0 nor 1; rows are counted from ``first_row``."""
    bad = np.argwhere((columns != 0) & (columns != 1))
    if len(bad):
        row, column = bad[0]
        raise ValueError(
            f"y holds {columns[row, column]} at sample {first_row + row}, label {column}; "
            "for this loss y must hold only 0 and 1."
        )


def distinct_classes(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Return the sorted distinct labels, and the index among them of each label.

    Parameters
    ----------
    labels : numpy.ndarray
        Labels of any type that can be ordered.

    Returns
    -------
    classes : numpy.ndarray, shape (n_classes,)
        The distinct labels in order.
    codes : numpy.ndarray of int32, of the labels' shape
        ``classes[codes]`` are the labels.

    Raises
    ------
    ValueError
        If labels of several types cannot be ordered.

    Examples
    --------
    >>> distinct_classes(np.array(["b", "a", "b"]))
    (array(['a', 'b'], dtype='<U1'), array([1, 0, 1], dtype=int32))
    """
    try:
        classes, codes = np.unique(labels, return_inverse=True)
    except TypeError as error:
        check_one_type(labels, "y")
        raise ValueError(
            f"y holds labels of the type {type(labels.flat[0]).__name__}, which cannot be ordered; "
            "convert them to text or numbers."
        ) from error
    return classes, codes.astype(np.int32).reshape(labels.shape)


def class_codes(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int32]:
    """Return the index of each label among the classes.

    Parameters
    ----------
    labels : numpy.ndarray
        Labels of the classes' own type.
    classes : numpy.ndarray, shape (n_classes,)
        Distinct labels, in any order.

    Returns
    -------
    numpy.ndarray of int32, of the labels' shape
        ``classes[codes]`` are the labels.

    Raises
    ------
    ValueError
        If a label is not among the classes; it is named.

    Examples
    --------
    >>> class_codes(np.array([3, 1]), np.array([1, 2, 3]))
    array([2, 0], dtype=int32)
    """
    if labels.dtype.kind in "TS":
        labels = plain_labels(labels)
    if labels.size and not _comparable(labels.dtype, classes.dtype):
        raise _unknown_label(labels.flat[0], classes)
    try:
        order = np.argsort(classes, kind="stable")
        place = np.searchsorted(classes, labels, sorter=order)
    except TypeError:  # objects of several types: none of them has an order to search
        known = classes.tolist()
        stranger = next((label for label in labels.flat if label not in known), labels.flat[0])
        raise _unknown_label(stranger, classes) from None
    codes = order[np.minimum(place, len(classes) - 1)]
    known_labels = np.asarray(classes[codes] == labels, dtype=bool)
    if not known_labels.all():
        raise _unknown_label(labels.flat[np.argmin(known_labels)], classes)
    return cast("NDArray[np.int32]", codes.astype(np.int32))


def _comparable(a: np.dtype[Any], b: np.dtype[Any]) -> bool:
    """Whether labels of the two dtypes can be equal: objects may be anything."""
    return "O" in (a.kind, b.kind) or (a.kind == "U") == (b.kind == "U")


def _unknown_label(label: Any, classes: NDArray[Any]) -> ValueError:
    some = ", ".join(repr(known) for known in classes[:8].tolist())
    more = ", ..." if len(classes) > 8 else ""
    plain = label.item() if isinstance(label, np.generic) else label
    return ValueError(
        f"y holds the label {plain!r}, which is not among the classes ({some}{more}); "
        "name all classes from the start, or leave such samples out."
    )
