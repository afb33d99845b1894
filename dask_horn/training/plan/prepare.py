"""From what the user passes to a run's spec: spool, survey, standardize, deal, and check."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.checks import checked_choice
from dask_horn.data import (
    Block,
    SampleForm,
    SampleStore,
    Standardizer,
    Survey,
    Targets,
    check_held_out,
    deal,
    decoded_row_bytes,
    hold_out,
    hold_out_ends,
    in_memory,
    is_location,
    open_samples,
    row_blocks,
    spool,
    spool_split,
    stays_in_place,
    survey,
    warn_of_large_chunks,
)
from dask_horn.data.intake.given import no_targets, plain_pair, validation_pair
from dask_horn.data.intake.pairs import in_memory_targets
from dask_horn.data.intake.sources import chunked_classes
from dask_horn.data.store.locations import located
from dask_horn.data.store.tasks import is_lazy
from dask_horn.data.values.plain import check_same_columns
from dask_horn.data.values.targets import class_codes
from dask_horn.errors import naming
from dask_horn.model import sample_form
from dask_horn.network import LOSSES, Network
from dask_horn.rounding import ceil_div
from dask_horn.training.plan.decay import NoiseDecay, class_counts, constant_loss
from dask_horn.training.plan.merge_rules import rule_name
from dask_horn.training.plan.options import TrainingOptions
from dask_horn.training.plan.rounds import most_regroupings, plan_rounds, steps_of_round
from dask_horn.training.plan.spec import Devices, RunSpec, Schedule
from dask_horn.training.plan.steps import count_steps

_BLOCKS_PER_GROUP = 8  # at least, so that every subset covers the whole store
_SCORING_TASKS = 8  # at most: each scores some of the validation rows
_COPYING = "copying the samples into Zarr"
_SCORING_BYTES = 2**20  # of samples, below which another task would cost more than it saves


@dataclass(frozen=True, eq=False)
class Settled:
    """What is settled before a run looks at its data, and so is not found anew.

    Attributes
    ----------
    standardizer : Standardizer or None
        That of the model that is trained further.
    targets : Targets or None
        Likewise, or what an estimator has found in its targets.
    """

    standardizer: Standardizer | None = None
    targets: Targets | None = None


@dataclass(frozen=True, eq=False)
class Given:
    """The data as the user passes them; see `dask_horn.train`.

    Attributes
    ----------
    X, y : samples and targets
        Or X is a group that holds both.
    validation_data : pair of (X, y), a group, or None
    absent_chunks : {"warn", "fill", "error"}
        What to do about chunks that are not stored.
    """

    X: Any
    y: Any = None
    validation_data: Any = None
    absent_chunks: str = "warn"

    def __post_init__(self) -> None:
        """Check the choice, before any data are read."""
        checked_choice("absent_chunks", self.absent_chunks, ("warn", "fill", "error"))

    def with_options(self, storage_options: Mapping[str, Any] | None) -> Given:
        """Return the same, its paths and URLs as they mean the same everywhere, with options."""
        return replace(
            self,
            X=located(self.X, storage_options),
            validation_data=located(self.validation_data, storage_options),
        )


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The samples of a run, in Zarr, and what a pass over them has found.

    Attributes
    ----------
    run : str
        The run's id, for which the workers keep what is decoded until it is forgotten.
    samples : SampleStore
    blocks : tuple of Block
        The rows to train on.
    validation : SampleStore or None
    validation_blocks : tuple of Block
        The rows to score on.
    found : Survey
        What the training rows hold.
    targets : Targets
        How targets are encoded.
    """

    run: str
    samples: SampleStore
    blocks: tuple[Block, ...]
    validation: SampleStore | None
    validation_blocks: tuple[Block, ...]
    found: Survey
    targets: Targets


def new_run_id() -> str:
    """Return an id that no other run has; `forget` takes it."""
    return secrets.token_hex(4)


def prepare_data(
    run: str,
    network: Network,
    given: Given,
    options: TrainingOptions,
    settled: Settled,
    scratch: Callable[[], str | None] = lambda: None,
    say: Callable[[str], None] = lambda what: None,
) -> TrainingData:
    """Bring all samples into Zarr and survey the training rows.

    The survey has a `sample` where the network measures initial values on it.
    `scratch` makes the folder for samples that are not in Zarr; without one they go into memory.
    `say` is told what is done next.

    What is decoded on the way stays in the workers' caches under the run's id, also where this
    fails: the caller has it forgotten.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        If something is wrong with the data; see `dask_horn.train`.
    """
    kind, form = LOSSES[network.loss].kind, sample_form(network)
    classes = None if settled.targets is None else settled.targets.classes
    X, y = plain_pair(given.X, given.y)
    validation_data = given.validation_data
    hold = options.early_stopping and validation_data is None
    measures = network.measures and settled.standardizer is None  # else a model has measured
    look = partial(
        survey,
        target_kind=kind,
        absent_chunks=given.absent_chunks,
        sample_seed=options.random_state if measures else None,
    )
    validation = None
    held: tuple[Block, ...] = ()
    if is_location(X):
        say("opening the samples")
        samples = _opened(X, form)
    elif y is None:
        raise no_targets(X)
    elif hold and in_memory(X):
        say(_COPYING)
        samples, validation = spool_split(
            X, y, target_kind=kind, validation_fraction=options.validation_fraction,
            scratch=scratch(), seed=options.random_state, classes=classes, form=form,
        )  # fmt: skip
    else:
        if not stays_in_place(X, y):
            say(_COPYING)
        samples = spool(
            X, y, target_kind=kind, scratch=_folder_for(X, y, scratch), seed=options.random_state,
            classes=classes, form=form,
        )  # fmt: skip
    blocks = _row_blocks(samples, options.divided_for(network, samples.n_samples))
    warn_of_large_chunks(samples, blocks)
    say("looking through the samples")
    if hold and validation is None:
        validation = samples
        if is_lazy(y) and kind == "classes":
            settled = _with_all_classes(settled, samples)
        blocks, held, found, targets = _held_blocks(
            run, samples, blocks, options, settled, look, given.absent_chunks
        )
    else:
        found = look(run, samples, blocks)
        targets = _targets(settled, found)
    if validation_data is not None:
        say("looking through the validation samples")
        validation = _validation_store(run, given, targets, scratch, form, options)
    if validation is not None and not held:
        held = _all_rows(validation)
    return TrainingData(run, samples, blocks, validation, held, found, targets)


def make_spec(
    network: Network,
    data: TrainingData,
    options: TrainingOptions,
    settled: Settled,
    devices: Devices,
) -> RunSpec:
    """Settle everything that a run's tasks need to know."""
    options = options.divided_for(network, data.samples.n_samples)
    found, targets = data.found, data.targets
    if targets.n_outputs != network.n_outputs:
        raise ValueError(
            f"the network has {network.n_outputs} outputs, but y asks for {targets.n_outputs}; "
            f"make the last layer Dense({targets.n_outputs})"
        )
    standardizer = _standardizer(network, found, options, settled)
    group_blocks = _group_blocks(data.blocks, options)
    batch_size = options.batch_size or _default_batch_size(found.n_samples)
    smallest = min(sum(len(block) for block in blocks) for blocks in group_blocks)
    batch_size = min(batch_size, smallest)
    samples = replace(data.samples, origin=standardizer.origin)
    row_bytes = decoded_row_bytes(samples, targets)

    def passed(blocks: tuple[Block, ...]) -> int:
        return count_steps(blocks, row_bytes, batch_size)

    rounds = plan_rounds(network, options, group_blocks, passed)
    n_steps = options.n_rounds * steps_of_round(options, group_blocks, passed)
    peak = options.peak_rate(network, n_steps)
    schedule = Schedule(options.schedule, peak, options.n_rounds, options.warmup_steps)
    summed_rates = sum(
        float(schedule.rates(round, max(plan.steps)).sum()) * plan.rate_factor
        for round, plan in enumerate(rounds)
    )
    class_weights = _class_weights(options.class_weight, targets, found)
    noise = None
    if options.decays_by_noise:
        highest = peak * max(plan.rate_factor for plan in rounds)
        of_constant = constant_loss(found, targets, class_weights)
        noise = NoiseDecay.of(
            targets.kind, found.n_samples, summed_rates, highest, options.n_rounds, of_constant
        )
    return RunSpec(
        run=data.run,
        network=network,
        samples=samples,
        validation=data.validation and replace(data.validation, origin=standardizer.origin),
        standardizer=standardizer,
        targets=targets,
        rounds=rounds,
        validation_blocks=_scoring_tasks(data),
        class_weights=class_weights,
        ensemble=options.merge == "ensemble",
        redraw=options.redraws,
        concentration=options.concentration,
        hidden_exponent=options.scale_exponent,
        optimizer=options.local_optimizer(0.0 if noise is None else noise.first),
        # The best constant's huber loss is not known.
        noise=noise if noise is not None and noise.is_told and network.loss != "huber" else None,
        schedule=schedule,
        batch_size=batch_size,
        seed=options.random_state,
        merge_rule=rule_name(options.merge, rounds),
        device=devices.trains,
        scoring_device=devices.scores,
        precision=options.precision,
        measured=_measured(network, found, standardizer),
    )


def _standardizer(
    network: Network, found: Survey, options: TrainingOptions, settled: Settled
) -> Standardizer:
    """Return how samples are standardized: as a model does that is trained further, or as found."""
    if settled.standardizer is not None:
        return settled.standardizer
    return found.standardizer() if options.standardize else Standardizer.identity(network.n_inputs)


def _measured(
    network: Network, found: Survey, standardizer: Standardizer
) -> dict[str, NDArray[np.float32]]:
    """Return the initial values that are measured: once, and nobody else needs the samples."""
    if found.sample is None or not network.measures:
        return {}
    return network.measured(standardizer.applied(found.sample))


def _row_blocks(samples: SampleStore, options: TrainingOptions) -> tuple[Block, ...]:
    """Cut the rows into blocks: enough for all groups that there will be."""
    batch_size = options.batch_size or _default_batch_size(samples.n_samples)
    most = most_regroupings(options, samples.n_samples, batch_size)
    n_blocks = _BLOCKS_PER_GROUP * most
    return row_blocks(samples.n_samples, samples.chunk_rows, options.n_groups, n_blocks)


def _group_blocks(
    blocks: tuple[Block, ...], options: TrainingOptions
) -> tuple[tuple[Block, ...], ...]:
    """Give each group its rows: a subset of its own, or all."""
    if options.group_data == "all":
        return (blocks,) * options.n_groups
    return deal(blocks, options.n_groups, options.random_state)


def _with_all_classes(settled: Settled, samples: SampleStore) -> Settled:
    """Settle on the classes of all rows: blocks that are held out may have some of their own."""
    if settled.targets is not None or samples.classes is not None:
        return settled
    assert samples.y is not None, "samples are trained on with targets"
    steps = samples.form.target_steps
    classes = chunked_classes(samples.y.open(), steps)
    return replace(settled, targets=Targets.of_classes(classes, steps))


def _held_blocks(
    run: str,
    samples: SampleStore,
    blocks: tuple[Block, ...],
    options: TrainingOptions,
    settled: Settled,
    look: Callable[[str, SampleStore, Sequence[Block]], Survey],
    absent_chunks: str,
) -> tuple[tuple[Block, ...], tuple[Block, ...], Survey, Targets]:
    """Hold out blocks, and survey what is left; rows of each block where blocks have no score."""
    fraction = options.validation_fraction
    train, held = hold_out(blocks, fraction, options.random_state)
    for last in (False, True):
        found = look(run, samples, train)
        targets = _targets(settled, found)
        if check_held_out(run, samples, held, targets, absent_chunks):
            return train, held, found, targets
        again = hold_out_ends(blocks, fraction)
        if not again[1] and len(blocks) > 3:  # blocks of a row each
            again = hold_out(blocks, max(fraction, 2 / len(blocks)), options.random_state)
        if last or not again[1]:
            break
        train, held = again
    raise ValueError(
        f"validation_fraction={fraction} of {samples.n_samples} samples holds out "
        f"{sum(map(len, held))} with one target, which has no score; use more samples of different "
        "targets, in random order, or pass validation_data"
    )


def _opened(location: Any, form: SampleForm) -> SampleStore:
    """Open a group whose samples are to be taken for what the form says."""
    samples = open_samples(location)
    form.check(samples.sample_shape)
    return replace(samples, form=form)


def _folder_for(X: Any, y: Any, scratch: Callable[[], str | None]) -> str | None:
    """Return where what is not in Zarr is to be written; Zarr arrays stay where they are."""
    return None if stays_in_place(X, y) else scratch()


def _all_rows(store: SampleStore) -> tuple[Block, ...]:
    """Cut all rows of a store into blocks."""
    return row_blocks(store.n_samples, store.chunk_rows, 1)


def _validation_store(
    run: str,
    given: Given,
    targets: Targets,
    scratch: Callable[[], str | None],
    form: SampleForm,
    options: TrainingOptions,
) -> SampleStore:
    """Bring validation samples into Zarr; their targets must be like those of the training rows."""
    X, y = validation_pair(given.validation_data)
    located = is_location(X)
    with naming("validation_data"):
        check_same_columns(given.X, X)
        X, y = plain_pair(X, y)
        if located:
            store = _opened(X, form)
        else:
            store = spool(
                X, y, target_kind=targets.kind, scratch=_folder_for(X, y, scratch),
                classes=targets.classes, shuffle=False, form=form,
            )  # fmt: skip
        targets.check_shape((store.n_samples, *(store.y_shape or ())))
        if located or not in_memory(X):  # else they were looked at on their way
            warn_of_large_chunks(store, _all_rows(store))
            differ = check_held_out(run, store, _all_rows(store), targets, given.absent_chunks)
        else:
            differ = form.target_steps is not None or targets.kind == "labels" or _differ(y)
        if not differ and (targets.kind == "values" or options.early_stopping):
            score = "R²" if targets.kind == "values" else "early_stopping"
            raise ValueError(
                f"y holds one target only, in {store.n_samples} "
                f"{'sample' if store.n_samples == 1 else 'samples'}; {score} needs at least two "
                "samples, with different targets"
            )
    return store


def _differ(y: Any) -> bool:
    """Whether targets in memory are not all the same."""
    values = np.asarray(in_memory_targets(y))
    return bool((values != values[:1]).any())


def _targets(settled: Settled, found: Survey) -> Targets:
    """Return how targets are encoded: as a model does that is trained further, or as found."""
    if settled.targets is None:
        return found.targets()
    if settled.targets.classes is not None and found.classes is not None:
        class_codes(found.classes, settled.targets.classes)  # raises for a class that is unknown
    return settled.targets


def _default_batch_size(n_samples: int) -> int:
    """Return 128, less for few samples: a pass should have 32 steps, a step 8 samples."""
    size = 128
    while size > 8 and size * 32 > n_samples:
        size //= 2
    return size


def _class_weights(
    class_weight: str | Mapping[Any, float] | None, targets: Targets, found: Survey
) -> NDArray[np.float32] | None:
    """Weights in the order of the classes; 'balanced' is n / (n_classes · count)."""
    if class_weight is None:
        return None
    if targets.classes is None:
        raise ValueError(
            f"class_weight={class_weight!r} needs one class per sample, as cross_entropy has"
        )
    if isinstance(class_weight, Mapping):
        labels = targets.classes.tolist()
        unknown = [label for label in class_weight if label not in labels]
        if unknown:
            raise ValueError(f"class_weight names {unknown[0]!r}, which is not among {labels}")
        return np.array([class_weight.get(label, 1.0) for label in labels], np.float32)
    counts = class_counts(found, targets)
    weights = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return np.asarray(weights, np.float32)


def _scoring_tasks(data: TrainingData) -> tuple[tuple[Block, ...], ...]:
    """Share the validation blocks out to tasks, consecutive ones to each, none empty."""
    blocks = data.validation_blocks
    if data.validation is None or not blocks:
        return ()
    n_bytes = sum(map(len, blocks)) * data.validation.row_bytes
    n_tasks = min(_SCORING_TASKS, len(blocks), ceil_div(n_bytes, _SCORING_BYTES))
    bounds = [len(blocks) * i // n_tasks for i in range(n_tasks + 1)]
    return tuple(tuple(blocks[a:b]) for a, b in pairwise(bounds))
