"""The survey: one pass over the training rows before training starts.

It finds what standardizing and encoding need, and what would spoil a training: values that are
not finite, a single class, rows sorted by class. Parts are summarized by Dask tasks and combined
in the order of the store, so that the scheduler changes no bit.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data.rows.blocks import Block
from dask_horn.data.rows.windows import absent_among, decoded, stored_targets
from dask_horn.data.store.samples import SampleStore
from dask_horn.data.store.tasks import call, compute, current_scheduler
from dask_horn.data.survey.sample import Drawn
from dask_horn.data.survey.summary import Summary, combined, summarize
from dask_horn.data.values.arrays import check_target_shape
from dask_horn.data.values.form import SampleForm
from dask_horn.data.values.moments import Moments
from dask_horn.data.values.ranges import Ranges
from dask_horn.data.values.standardize import Standardizer, scale_of
from dask_horn.data.values.targets import TargetKind, Targets, check_kind, class_codes
from dask_horn.records import beat

# Summaries that one task combines: few levels, and none holds many.
_ARITY = 16

# Smaller chunks are surveyed several by a task: another one costs milliseconds.
_TASK_BYTES = 4 * 2**20

# Share of the classes' variance that lies between blocks, above which rows count as sorted.
_SORTED_SHARE = 0.5
# Devices may compute with float32 as it is, and take what is below 1.2e-38 for 0.
_FLOAT32_FAR = 1e30

# Below this many rows per block the share says nothing.
_ROWS_TO_JUDGE = 8

_NONE = Drawn(np.empty(0, np.int64))


@dataclass(frozen=True, eq=False)
class Survey:
    """What one pass over the training rows has found.

    Attributes
    ----------
    target_kind : {"classes", "labels", "values"}
        What the targets mean.
    n_samples : int
        Rows surveyed.
    dtype : str
        The samples' dtype as it is stored.
    form : SampleForm
        What the samples and their targets are taken for.
    x : Moments, of n_features columns or one for each unit
        Mean and spread of each feature; of each unit, over all positions that are no padding,
        where the form shares them.
    ranges : Ranges
        The least and the greatest of the same.
    y : Moments or None, of n_outputs columns
        The same of each label or value; None for classes.
    flat : bool
        Whether there is a single target per sample or step, without an axis of its own.
    classes : numpy.ndarray or None, shape (n_classes,)
        The labels in order; None unless the targets are classes.
    class_counts : numpy.ndarray of int64 or None, shape (n_classes,)
        Rows of each class, or steps that are no padding; may be 0 for a class that the store
        knows and these rows lack.
    sorted_share : float
        Share of the classes' variance that lies between blocks: about 0 where rows are
        shuffled, 1 where each block holds a single class.
    digest : str
        Hexadecimal text that tells these rows from others.
    n_missing : numpy.ndarray of int64 or None, shape (n_features,)
        How many rows lack each feature; None where none may be missing. Mean, spread and range
        are those of the others; of a feature that all rows lack the mean is 0.
    sample : numpy.ndarray or None, shape (n, n_features)
        Some of the samples, as they are decoded, with NaN where a value is missing: at most
        65,536 and 64 MiB, drawn by the seed alone, or all if they are no more. In the order of the
        store. None where nobody has asked for them.
    """

    target_kind: TargetKind
    n_samples: int
    dtype: str
    form: SampleForm
    x: Moments
    ranges: Ranges
    y: Moments | None
    flat: bool
    classes: NDArray[Any] | None
    class_counts: NDArray[np.int64] | None
    sorted_share: float
    digest: str
    n_missing: NDArray[np.int64] | None = None
    sample: NDArray[Any] | None = None

    def standardizer(self) -> Standardizer:
        """Return the standardizer of these samples."""
        if self.form.standardizing == "none":
            return Standardizer.identity(len(self.x.mean))
        x = self.x
        own = Standardizer.from_moments(x.mean, x.deviation, self.ranges, x.rest)
        if x.rest is None and self.dtype in ("float16", "float32") and _beyond_float32(x):
            own = replace(own, rest=np.zeros_like(x.mean))  # so that float64 is read
        if self.form.mask_value is not None:
            # Padding is told by the samples as they are stored: nothing may be subtracted before.
            own = replace(own, rest=None)
        return own.repeated(self.form.n_positions)

    def targets(self) -> Targets:
        """Return how targets like these are encoded; values are standardized."""
        steps = self.form.target_steps
        if self.classes is not None:
            return Targets.of_classes(self.classes, steps)
        if self.y is None:
            raise ValueError("The survey saw no targets; pass a store that holds y.")
        if self.target_kind == "labels":
            return Targets.of_labels(len(self.y.mean), self.flat, steps)
        scale = scale_of(self.y.mean, self.y.deviation, self.y.rest)
        return Targets.of_values(self.y.mean, scale, self.flat, steps)


def survey(
    run: str,
    store: SampleStore,
    blocks: Sequence[Block],
    target_kind: TargetKind,
    absent_chunks: str = "warn",
    sample_seed: int | None = None,
) -> Survey:
    """Look at every row of some blocks once.

    Parameters
    ----------
    run : str
        The run's id: what is decoded stays in the cache for it, until `forget`.
    store : SampleStore
        Samples and targets, and what they are taken for. What lies in this process' memory is
        read here, by threads; all else on the Dask scheduler that is configured.
    blocks : sequence of Block
        The training rows.
    target_kind : {"classes", "labels", "values"}
        What the targets mean.
    absent_chunks : {"warn", "fill", "error"}, default "warn"
        What to do about chunks that are not stored, which read as the fill value.
    sample_seed : int, optional
        The run's seed, where some of the rows are to be returned as they are; else none are.

    Returns
    -------
    Survey
        The same, to the bit, whatever the scheduler.

    Raises
    ------
    ValueError
        If there are no blocks or no targets, the targets do not suit ``target_kind``, there is
        only one class, a value is not finite or no token, or a sample is nothing but padding;
        the message names the first such sample.
    ChunkReadError
        If a chunk cannot be read.

    Warns
    -----
    UserWarning
        If the rows are sorted by class, chunks are not stored, or each row of labels holds a
        single 1, as one-hot classes do.

    Examples
    --------
    >>> from dask_horn.data import forget, spool
    >>> store = spool([[1.0], [2.0], [6.0]], ["a", "b", "b"], target_kind="classes")
    >>> found = survey("run", store, [Block(0, 3)], "classes")
    >>> found.x.mean, found.classes, found.class_counts
    (array([3.]), array(['a', 'b'], dtype='<U1'), array([1, 2]))
    >>> forget("run")
    """
    found = _look("survey", run, store, blocks, target_kind, absent_chunks, sample_seed)
    if found.n_single == found.n:
        warnings.warn(
            "y holds a single 1 in each row, as one-hot classes do, and is taken for several "
            "labels of each sample; for one class of each pass y.argmax(axis=1).",
            UserWarning,
            stacklevel=2,
        )
    classes, counts = _class_counts(store, found)
    result = _survey(store, found, target_kind, classes, counts)
    if result.sorted_share > _SORTED_SHARE:
        warnings.warn(
            f"The samples in {store.location} are sorted by class: {result.sorted_share:.0%} of "
            "the classes' variance lies between row blocks, and training shuffles within a few "
            "blocks only; write them in random order if accuracy disappoints.",
            UserWarning,
            stacklevel=2,
        )
    return result


def check_held_out(
    run: str,
    store: SampleStore,
    blocks: Sequence[Block],
    targets: Targets,
    absent_chunks: str = "warn",
) -> bool:
    """Look at every row of some blocks that models are only scored on.

    Returns whether their targets differ: R² of one value is not defined, and the accuracy of one
    class tells nothing of others.

    Parameters
    ----------
    run, store, blocks, absent_chunks
        As for `survey`.
    targets : Targets
        What the targets of the training rows have been found to be.

    Returns
    -------
    bool

    Raises
    ------
    ValueError, ChunkReadError
        As `survey` does, but for a single class; or if a class is not among those of `targets`.
    """
    found = _look("survey-held-out", run, store, blocks, targets.kind, absent_chunks)
    if found.classes is not None and targets.classes is not None:
        classes = found.classes if store.classes is None else store.classes[found.classes]
        class_codes(classes, targets.classes)
        return len(found.classes) > 1
    return targets.kind == "labels" or found.y is None or bool((found.y.variance > 0).any())


def _look(
    name: str,
    run: str,
    store: SampleStore,
    blocks: Sequence[Block],
    kind: TargetKind,
    absent_chunks: str,
    sample_seed: int | None = None,
) -> Summary:
    """Summarize blocks, and refuse what spoils training or scoring; tasks have that name."""
    check_kind(kind)
    if not blocks:
        raise ValueError("blocks is empty, so there is nothing to train on; pass at least one.")
    if store.y is None or store.y_shape is None:
        raise ValueError(
            f"The store {store.location} holds no targets; store them beside the samples as y."
        )
    check_target_shape((store.n_samples, *store.y_shape), kind, store.form.target_steps)
    blocks = sorted(blocks)
    drawn = _NONE if sample_seed is None else Drawn.of(store, blocks, sample_seed)
    found = _summarize_all(f"{name}-{run}", run, store, blocks, kind, drawn)
    if absent_chunks != "fill":
        _tell_absent(store, found, absent_chunks == "error")
    if found.fault is not None:
        raise ValueError(found.fault)
    return found


def _tell_absent(store: SampleStore, found: Summary, refused: bool) -> None:
    """Tell of chunks that are not stored, once for each array."""
    for location, absent in zip((store.x, store.y), found.absent, strict=True):
        if not absent.n_chunks:
            continue
        told = "1 chunk" if absent.n_chunks == 1 else f"{absent.n_chunks:,} chunks"
        told = f"The {location} lacks {told}, the first at row {absent.first_row}"
        if refused:
            raise ValueError(f"{told}; write them, or pass absent_chunks='fill'")
        warnings.warn(
            f"{told}, and the fill value is taken for its rows; write what is missing (Zarr leaves "
            "out what is all 0, unless it has write_empty_chunks=True), or pass "
            "absent_chunks='fill' if it is meant so.",
            UserWarning,
            stacklevel=4,
        )


def _summarize_all(
    name: str,
    run: str,
    store: SampleStore,
    blocks: Sequence[Block],
    kind: TargetKind,
    drawn: Drawn,
) -> Summary:
    """Run the tasks: some units of reading to each, then a tree of fixed order and arity."""
    units = [
        tuple(unit) for _, unit in groupby(blocks, lambda block: block.start // store.chunk_rows)
    ]
    together = max(1, _TASK_BYTES // (store.chunk_rows * store.row_bytes))
    n_tasks = 0
    level = []
    for first in range(0, len(units), _ARITY):
        branch = units[first : first + _ARITY]
        parts = []
        for i in range(0, len(branch), together):
            some = branch[i : i + together]
            own = drawn.within(some[0][0].start, some[-1][-1].stop)
            # Bound beforehand: Dask would walk through every block in search of collections.
            task = partial(_summarize_units, run, store, some, kind, own)
            parts.append(call(task, key=(name, first + i)))
        n_tasks += len(parts)
        level.append(call(_combine_units, parts, key=(f"{name}-merge", 1, first)))
    depth = 1
    while len(level) > 1:
        depth += 1
        level = [
            call(combined, level[i : i + _ARITY], key=(f"{name}-merge", depth, i))
            for i in range(0, len(level), _ARITY)
        ]
    summary: Summary
    (summary,) = compute(level[0], scheduler=_reading_scheduler(store, n_tasks))
    return summary


def _reading_scheduler(store: SampleStore, n_tasks: int) -> str | None:
    """Return the scheduler for what only this process can read, or None for the configured."""
    if not store.in_process:
        return None
    serial = n_tasks == 1 or current_scheduler() in ("sync", "synchronous", "single-threaded")
    return "synchronous" if serial else "threads"


def _summarize_units(
    run: str,
    store: SampleStore,
    units: Sequence[tuple[Block, ...]],
    kind: TargetKind,
    drawn: Drawn,
) -> list[Summary]:
    """Summarize units of reading one by one: their summaries, not their sum, to keep the order."""
    return [_summarize_unit(run, store, blocks, kind, drawn) for blocks in units]


def _summarize_unit(
    run: str, store: SampleStore, blocks: tuple[Block, ...], kind: TargetKind, drawn: Drawn
) -> Summary:
    """Read the blocks of one chunk at once, and summarize them one by one."""
    first, last = blocks[0].start, max(block.stop for block in blocks)
    block = Block(first, last)
    x, y = decoded(run, store, block, None).x, stored_targets(run, store, block)
    absent = absent_among(run, store, block, x, y)
    beat(run)
    found = combined(
        [
            summarize(
                x[block.start - first : block.stop - first],
                y[block.start - first : block.stop - first],
                block.start,
                kind,
                store.form,
                (store.x_marks, store.y_marks),
                store.columns,
            )
            for block in blocks
        ]
    )
    own = drawn.within(first, last)
    sample = (own.of_rows(x, first),) if len(own.rows) else ()
    return replace(found, absent=absent, sample=sample)


def _combine_units(parts: Sequence[Sequence[Summary]]) -> Summary:
    """Combine the summaries of several tasks as if each unit had had its own."""
    return combined(list(chain.from_iterable(parts)))


def _class_counts(
    store: SampleStore, found: Summary
) -> tuple[NDArray[Any] | None, NDArray[np.int64] | None]:
    """Return the classes and their counts, translating codes into labels."""
    classes, counts = found.classes, found.counts
    if classes is None or counts is None:
        return None, None
    if store.classes is not None:
        known = np.zeros(len(store.classes), dtype=np.int64)
        known[classes] = counts
        classes, counts = store.classes, known
    if len(classes) < 2:
        raise ValueError(
            f"y holds only one class ({classes[:1].tolist()[0]!r}); training needs samples of at "
            "least two classes."
        )
    return classes, counts


def _survey(
    store: SampleStore,
    found: Summary,
    kind: TargetKind,
    classes: NDArray[Any] | None,
    counts: NDArray[np.int64] | None,
) -> Survey:
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((kind, found.n, store.sample_shape, store.dtype)).encode())
    for moments in (found.x, found.y):
        for part in (None, None) if moments is None else (moments.mean, moments.variance):
            digest.update(b"-" if part is None else part.tobytes())
    n_missing = np.asarray(found.n - found.x.n) if store.form.missing else None
    if n_missing is not None and n_missing.any():
        digest.update(n_missing.tobytes())
    digest.update(b"-" if counts is None else counts.tobytes())
    digest.update(b"-" if classes is None else repr(classes.tolist()).encode())
    return Survey(
        target_kind=kind,
        n_samples=found.n,
        dtype=store.dtype,
        form=store.form,
        x=found.x,
        ranges=found.ranges,
        y=found.y,
        flat=len(store.y_shape or ()) == (0 if store.form.target_steps is None else 1),
        classes=classes,
        class_counts=counts,
        sorted_share=0.0 if counts is None else _sorted_share(found, counts),
        digest=digest.hexdigest(),
        n_missing=n_missing,
        sample=np.concatenate(found.sample) if found.sample else None,
    )


def _beyond_float32(x: Moments) -> bool:
    """Whether differences of float32, or what they are multiplied by, may leave its range."""
    far = (np.abs(x.mean) > _FLOAT32_FAR) | (x.deviation > _FLOAT32_FAR)
    return bool(np.any(far | ((x.deviation > 0) & (x.deviation < 1 / _FLOAT32_FAR))))


def _sorted_share(found: Summary, counts: NDArray[np.int64]) -> float:
    """Return the share of the classes' variance that lies between blocks.

    With n_bc labels of class c in block b: (sum n_bc^2/n_b - sum n_c^2/n) / (n - sum n_c^2/n),
    adjusted for what blocks of shuffled rows would show by chance: where all steps of a sample
    have the same label, as much as if it had but one.
    """
    n, n_blocks = int(counts.sum()), found.n_blocks
    chance = (n_blocks - 1) / max(found.n - 1, 1)
    expected = float(np.square(counts / n).sum() * n)
    if found.n < _ROWS_TO_JUDGE * n_blocks or n_blocks < 2 or expected >= n:
        return 0.0
    share = (found.purity - expected) / (n - expected)
    return max(0.0, (share - chance) / (1 - chance))
