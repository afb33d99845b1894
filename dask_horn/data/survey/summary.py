"""What the survey finds in a block of rows, and in several together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data.store.absent import Absent
from dask_horn.data.values.arrays import first_not_finite, label_fault
from dask_horn.data.values.form import SampleForm
from dask_horn.data.values.marks import NO_MARKS, Marks
from dask_horn.data.values.moments import Moments
from dask_horn.data.values.padding import filled
from dask_horn.data.values.ranges import Ranges
from dask_horn.data.values.targets import TargetKind, check_labels


@dataclass(frozen=True, eq=False)
class Summary:
    """What was found in some blocks.

    Attributes
    ----------
    n : int
        Samples.
    x : Moments
        Of the features, or of the units that share theirs over positions.
    ranges : Ranges
        Of the same.
    y : Moments or None
        Of the targets, unless they are classes.
    classes : numpy.ndarray or None
        Distinct labels, or codes where the store holds codes.
    counts : numpy.ndarray of int64 or None
        Labels of each.
    purity : float
        Sum over blocks and classes of (labels of the class in the block)^2 / labels of the block.
    n_blocks : int
        Blocks seen.
    fault : str or None
        The first thing that spoils a training, as a sentence.
    n_single : int
        Samples of which exactly one of several labels is 1.
    absent : pair of Absent
        Chunks of the samples, and of the targets, that are not stored.
    sample : tuple of numpy.ndarray
        Some of the samples as they are stored, in the order of the store.
    """

    n: int
    x: Moments
    ranges: Ranges
    y: Moments | None
    classes: NDArray[Any] | None
    counts: NDArray[np.int64] | None
    purity: float
    n_blocks: int
    fault: str | None
    n_single: int = 0
    absent: tuple[Absent, Absent] = (Absent(), Absent())
    sample: tuple[NDArray[Any], ...] = ()


def summarize(
    x: NDArray[Any],
    y: NDArray[Any],
    first_row: int,
    kind: TargetKind,
    form: SampleForm,
    marks: tuple[Marks, Marks] = (NO_MARKS, NO_MARKS),
    names: tuple[Any, ...] | None = None,
) -> Summary:
    """Summarize a block whose first row has that number in the store.

    What marks missing samples and targets is looked for; features that have `names` are told so.
    """
    counted = form.counted(x)
    fault = None  # where values may be missing, those that are have become NaN
    if not form.missing:
        fault = marks[0].fault(x, "X", "feature", first_row, form.unpadded_values(x))
    fault = fault or form.fault(x, first_row)
    if fault is not None:
        counted[:] = True  # it will be told, whatever else there is
    rows, units = form.unpadded(x), x.shape[1] // form.n_positions
    moments_of = Moments.of_present if form.missing else Moments.of
    ranges_of = Ranges.of_present if form.missing else Ranges.of
    x_moments, ranges = moments_of(rows).pooled(units), ranges_of(rows).pooled(units)
    fault = fault or _fault("X", "feature", x, x_moments, first_row, names, form.missing)
    if kind == "classes":
        labels = y.reshape(counted.shape)
        steps = ... if form.target_steps else 0
        own = counted[:, steps]
        fault = fault or marks[1].fault(labels[:, steps], "y", "step", first_row, own)
        fault = fault or label_fault(labels[:, steps], counted, first_row)
        classes, counts = np.unique(labels[counted], return_counts=True)
        purity = float(np.square(counts / counts.sum()).sum() * counts.sum())
        counts = counts.astype(np.int64)
        return Summary(len(x), x_moments, ranges, None, classes, counts, purity, 1, fault)
    if y.dtype.kind not in "biuf":
        fault = fault or (
            f"y has dtype {y.dtype}, which is not numeric; use loss='cross_entropy' for classes."
        )
        return Summary(len(x), x_moments, ranges, None, None, None, 0.0, 1, fault)
    columns = filled(y, counted).reshape(len(y), -1)
    fault = fault or marks[1].fault(columns, "y", form.target_word(y.shape), first_row)
    y_moments = Moments.of(columns.reshape(counted.size, -1)[counted.ravel()])
    fault = fault or _fault("y", form.target_word(y.shape), columns, y_moments, first_row)
    if kind == "labels" and fault is None:
        try:
            check_labels(columns, first_row)
        except ValueError as error:
            fault = str(error)
    several = kind == "labels" and columns.shape[1] > 1 and form.target_steps is None
    n_single = int(np.count_nonzero(columns.sum(axis=1) == 1)) if several else 0
    return Summary(len(x), x_moments, ranges, y_moments, None, None, 0.0, 1, fault, n_single)


def combined(parts: Sequence[Summary]) -> Summary:
    """Combine summaries, given in the order of the store, from left to right."""
    targets = [part.y for part in parts if part.y is not None]
    with np.errstate(over="ignore", invalid="ignore"):
        x = reduce(Moments.combined, [part.x for part in parts])
        y = reduce(Moments.combined, targets) if targets else None
        ranges = reduce(Ranges.combined, [part.ranges for part in parts])
    return Summary(
        sum(part.n for part in parts),
        x,
        ranges,
        y,
        *_combined_counts(parts),
        sum(part.purity for part in parts),
        sum(part.n_blocks for part in parts),
        next((part.fault for part in parts if part.fault is not None), None),
        sum(part.n_single for part in parts),
        (
            reduce(Absent.__add__, [part.absent[0] for part in parts]),
            reduce(Absent.__add__, [part.absent[1] for part in parts]),
        ),
        tuple(chain.from_iterable(part.sample for part in parts)),
    )


def _combined_counts(
    parts: Sequence[Summary],
) -> tuple[NDArray[Any] | None, NDArray[np.int64] | None]:
    classes = [part.classes for part in parts if part.classes is not None]
    counts = [part.counts for part in parts if part.counts is not None]
    if not classes:
        return None, None
    distinct, place = np.unique(np.concatenate(classes), return_inverse=True)
    total = np.zeros(len(distinct), dtype=np.int64)
    np.add.at(total, place, np.concatenate(counts))
    return distinct, total


def _fault(
    array: str,
    column_word: str,
    rows: NDArray[Any],
    moments: Moments,
    first_row: int,
    names: tuple[Any, ...] | None = None,
    missing: bool = False,
) -> str | None:
    """Describe the first value that is not finite; the moments tell whether to look for one."""
    if np.isfinite(moments.m2).all():
        return None
    shared = len(moments.m2) < rows.shape[1]
    place = "" if shared else f" in {column_word} {int(np.argmin(np.isfinite(moments.m2)))}"
    return first_not_finite(rows, array, column_word, first_row, names, missing) or (
        f"{array} holds values{place} too near the limit of float64; divide them by a constant."
    )
