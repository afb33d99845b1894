"""Training, from what the user passes to the result; `rounds.py` has the loop over rounds."""

from __future__ import annotations

import atexit
import dataclasses
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from dask_horn.checks import checked_number
from dask_horn.cluster import Seat, current_executor, spread
from dask_horn.data.store.locations import location_text
from dask_horn.model import Model
from dask_horn.network import LOSSES, Network
from dask_horn.partition import check_divisible
from dask_horn.records import Callback, CallbackList, RoundReport
from dask_horn.training.graph.drawn import TrainingGraph
from dask_horn.training.graph.rounds import Graphs, shared_spec
from dask_horn.training.graph.task_layers import TaskLayers
from dask_horn.training.plan.memory import kernels_of, memory_needed
from dask_horn.training.plan.options import TrainingOptions
from dask_horn.training.plan.prepare import (
    Given,
    Settled,
    TrainingData,
    make_spec,
    new_run_id,
    prepare_data,
)
from dask_horn.training.plan.remarks import remarks
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.run.announcer import Announcer
from dask_horn.training.run.barrier import GlobalBarrier
from dask_horn.training.run.checkpoint import Checkpoint
from dask_horn.training.run.context import RunContext
from dask_horn.training.run.devices import settled_devices, smallest_room
from dask_horn.training.run.keeper import Keeper
from dask_horn.training.run.log import RunLog
from dask_horn.training.run.result import TrainingResult
from dask_horn.training.run.rounds import Rounds
from dask_horn.training.run.scratch import Scratch


def train(
    network: Network,
    X: Any,
    y: Any = None,
    *,
    validation_data: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    absent_chunks: str = "warn",
    checkpoint: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Callback] = (),
    initial: Model | None = None,
    scratch: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
    progress: bool = False,
    **settings: Any,
) -> TrainingResult:
    """Train a network by dividing it among workers, round after round.

    The current `distributed.Client`'s cluster does the work; without one, Dask's threads in this
    process do.

    Parameters
    ----------
    network : Network
        What to train.
    X : array-like, data frame, Dask array, Zarr array, xarray, or path or URL of a Zarr group
        Samples on axis 0. A group holds them as its array ``X``, and the targets as ``y``; so do an
        open group, a `SampleStore` and an xarray Dataset.
    y : like X, optional
        Targets: labels of any kind for cross_entropy, 0 and 1 for binary_cross_entropy
        (n_samples, n_labels), otherwise numbers. Leave it out if `X` is a group.
    validation_data : pair of (X, y), or path or URL, optional
        What the parent is scored on after each round.
    storage_options : mapping, optional
        Options for fsspec, such as credentials, for all that is at a URL: samples, checkpoint and
        scratch folder. Where they lie in several kinds of stores, a mapping for each, such as
        ``{"s3": {"anon": True}, "https": {...}}``. The workers get them, and no file, log or
        record does.
    absent_chunks : {"warn", "fill", "error"}, default "warn"
        What to do about chunks that were never written, which Zarr reads as the fill value: warn
        once for each array, take the fill value for what is meant, or refuse them.
    checkpoint : str, optional
        Path or URL of a folder. A run that finds its own checkpoint there resumes, and ends with
        the same bits as if it had never stopped.
    callbacks : sequence of Callback
        They hear of each round and of what else happens; see `Callback`.
    initial : Model, optional
        Model to continue from: its parameters, standardizer and classes are kept.
    scratch : str, optional
        Folder or URL that all workers share, for samples that are not in Zarr and, without a
        checkpoint, for parents between rounds. By default a folder in the checkpoint, else Dask's
        temporary directory if the workers share it. Where they share none, parents pass through
        this process.
    timeout : float, optional
        Seconds without progress on the cluster, after which the run ends with an error. By default
        it waits for as long as it takes, and says what it waits for.
    progress : bool, default False
        Whether to show on standard error what is done, from the first moment: the set-up, the
        rounds with loss, validation score and the time that is left, and how it ended. A bar in
        terminals and notebooks, about ten lines in a file. `logging` has all of it in any case: as
        INFO of the logger ``dask_horn``.
    **settings
        The attributes of `TrainingOptions`, such as ``n_groups=4, n_submodels=4, n_rounds=30``.

    Returns
    -------
    TrainingResult
        The model (or ensemble) and the history.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        If an argument is wrong; before any training.
    DivergedError
        If a loss is no longer finite; its ``model`` is the last good one.
    ChunkReadError, StoreError, ScratchError
        If a chunk cannot be read, a store refuses to be read or written, or samples are not in
        Zarr and the workers share no folder.
    WorkerLostError, SchedulerLostError, WaitTimeoutError
        If workers keep getting lost, or all that have the device are; if the scheduler is; or if
        there is no progress for `timeout` seconds. The checkpoint is kept.
    StoppedError
        If a callback asks to stop while the run waits or is set up, and no round is saved yet.

    Examples
    --------
    >>> import dask_horn as horn
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> network = horn.Network([horn.Dense(32, activation="relu"), horn.Dense(3)], input_shape=4)
    >>> result = horn.train(network, X, y, n_rounds=5)
    >>> result.model.predict(X[:3])
    array([0, 0, 0])
    """
    _check_order(network, X, y)
    options = TrainingOptions.of(**settings)
    settled = Settled()
    if initial is not None:
        _check_initial(initial, network, options)
        settled = Settled(initial.standardizer, initial.targets)
    return run(
        network,
        Given(X, y, validation_data, absent_chunks).with_options(storage_options),
        options,
        settled,
        storage_options=storage_options,
        checkpoint=checkpoint,
        callbacks=callbacks,
        initial=initial,
        scratch=scratch,
        timeout=timeout,
        progress=progress,
    )


def run(
    network: Network,
    given: Given,
    options: TrainingOptions,
    settled: Settled,
    *,
    storage_options: Mapping[str, Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    one_of_several: bool = False,
    callbacks: Sequence[Callback] = (),
    initial: Model | None = None,
    scratch: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
    progress: bool = False,
    complete: Callable[[TrainingData], Network] | None = None,
) -> TrainingResult:
    """Train with options that are checked already; else as `train`.

    With `one_of_several` runs share the checkpoint's folder, each in a folder of its own there.
    Where only the data tell what network is trained, such as how many outputs it has, `complete`
    makes it of what is found in them, and `network` is a guess that takes the same samples.
    """
    check_divisible(network, options.most_submodels)  # told before any data are read
    told = CallbackList(with_progress(callbacks) if progress else callbacks)
    listeners = CallbackList([RunLog(), told])
    if timeout is not None:
        checked_number("timeout", timeout, above=0)
    kept = None if checkpoint is None else Checkpoint.at(checkpoint, storage_options)
    shared = None if scratch is None else location_text(scratch, storage_options, "scratch")
    if kept is not None:
        kept.check_free()
    run_id = new_run_id()
    executor = current_executor(run_id, listeners.on_event, timeout)
    announcer = Announcer(run_id, executor, listeners)
    if initial is not None:  # all of its units may be connected: no partition suits it for long
        options = dataclasses.replace(options, redraw=True)
    with executor.scheduling(), ExitStack() as stack, announcer.telling_errors():
        devices = settled_devices(executor, options.device, network, options.precision)
        executor.prepare()
        room = Scratch(executor, shared, None if kept is None else kept.location)
        stack.callback(room.remove)
        stack.callback(executor.forget, run_id)  # what the survey decodes too, if it fails
        data = prepare_data(
            run_id, network, given, options, settled, room.folder, announcer.preparing
        )
        if complete is not None:
            network = complete(data)
            check_divisible(network, options.most_submodels)
        spec = make_spec(network, data, options, settled, devices)
        executor.check_memory(memory_needed(spec))
        smallest_room(spec, executor)  # raises an error if it is too little
        if kept is not None:
            identity = _identity(spec, options, data.found.digest, initial)
            if one_of_several:
                kept = kept.of_run(identity)
            stack.enter_context(kept.alone())
            kept.begin(identity)
            if (before := kept.standardizer()) is not None:
                # A version before this may have found other scales in the same samples.
                settled = dataclasses.replace(settled, standardizer=before)
                spec = make_spec(network, data, options, settled, devices)
            executor.check_visible(kept.location, "checkpoint")
        for words in remarks(network, options, spec, executor.n_workers(spec.device)):
            announcer.remark(words)
        announcer.preparing("compiling kernels, or loading them")
        for kernels in kernels_of(spec):
            executor.warm_up(kernels)
        # Not by a name here, which would keep what the run begins with on the cluster to its end.
        keeper = Keeper(RunContext.begin(spec, options, executor, room), kept, initial)
        return Rounds(keeper.run, keeper, GlobalBarrier(), announcer).train()


def with_progress(callbacks: Sequence[Callback]) -> list[Callback]:
    """Add a progress bar to callbacks, before the others, unless there is one."""
    from dask_horn.diagnostics.progress import ProgressBar

    given = CallbackList(callbacks).callbacks
    has_one = any(isinstance(one, ProgressBar) for one in given)
    return list(given) if has_one else [ProgressBar(), *given]


def training_graph(
    network: Network,
    X: Any,
    y: Any = None,
    *,
    storage_options: Mapping[str, Any] | None = None,
    scratch: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> TrainingGraph:
    """Build the graph of all rounds as one lazy object, for looking at.

    Parameters
    ----------
    network, X, y, storage_options, scratch, **settings
        As for `train`.

    Returns
    -------
    TrainingGraph
        A `dask.delayed.Delayed` of the last round's report, which any of Dask's schedulers
        computes; ``.visualize()`` draws groups, sub-models and reduction.

    Examples
    --------
    >>> from dask_horn.network import Dense
    >>> network = Network([Dense(8, activation="relu"), Dense(2)], input_shape=3)
    >>> samples, targets = [[0, 0, 1], [1, 0, 0]] * 8, [0, 1] * 8
    >>> graph = training_graph(network, samples, targets, n_submodels=2, n_rounds=2)
    >>> sum("train" in str(key) for key in graph.dask)
    4
    """
    _check_order(network, X, y)
    options = TrainingOptions.of(**settings)
    check_divisible(network, options.most_submodels)
    executor = current_executor()
    devices = settled_devices(executor, options.device, network, options.precision)
    shared = None if scratch is None else location_text(scratch, storage_options, "scratch")
    room = Scratch(executor, shared, None)
    atexit.register(room.remove)  # the graph reads from it, whenever it is computed
    run_id = new_run_id()
    with executor.scheduling(), ExitStack() as stack:
        stack.callback(executor.forget, run_id)  # the graph may never be computed, or anywhere
        given = Given(X, y).with_options(storage_options)
        data = prepare_data(run_id, network, given, options, Settled(), room.folder)
    spec = make_spec(network, data, options, Settled(), devices)
    anywhere = spread([Seat(device=spec.device, memory=smallest_room(spec, executor))], 1)
    graphs = Graphs(spec, shared_spec(spec), anywhere)
    parents = graphs.start()
    for round in range(options.n_rounds):
        written = graphs.round(parents, round, anywhere)
        graph = written.merged(written.trained)
        parents = graph.parents
        if spec.settles_after(round + 1):
            graphs = graphs.settled(graph.report)
    tasks = TaskLayers()
    needed = [tasks.use(handle) for handle in (graph.report, *(p.parts[0] for p in parents))]
    (whole,) = tasks.delayed(tasks.call(_first, (f"final-{spec.run}", 0), needed))
    (layer,) = whole.__dask_layers__()
    return TrainingGraph(whole.key, whole.dask, layer=layer)


def _first(report: RoundReport, *parents: Any) -> RoundReport:
    """Return the report, once the parents are there too."""
    return report


def _check_order(network: Any, X: Any, y: Any) -> None:
    """Tell of arguments in an estimator's order, and of what is not a network."""
    if isinstance(network, Network):
        return
    came = ", ".join(type(one).__name__ for one in (network, X, y) if one is not None)
    if isinstance(X, Network) or isinstance(y, Network):
        raise TypeError(f"the network comes first, then X and y, got ({came})")
    remedy = "pass a dask_horn.Network"
    if hasattr(network, "fit"):
        remedy = "call its fit(X, y), or pass a dask_horn.Network"
    elif isinstance(network, list | tuple):
        remedy = "make it dask_horn.Network(layers, input_shape=...)"
    raise TypeError(f"network is a {type(network).__name__}; {remedy}")


def _check_initial(initial: Model, network: Network, options: TrainingOptions) -> None:
    if not isinstance(initial, Model):
        raise TypeError(f"initial must be a Model, got {type(initial).__name__}")
    if initial.network.parameters != network.parameters:
        raise ValueError("initial is a model of another network; use initial.network")
    if LOSSES[initial.network.loss].kind != LOSSES[network.loss].kind:
        raise ValueError(
            f"initial was trained with loss={initial.network.loss!r}, whose targets are of another "
            f"kind than those of loss={network.loss!r}; use initial.network"
        )
    if options.merge == "ensemble":
        raise ValueError("merge='ensemble' starts each member anew; leave initial out")


def _identity(
    spec: RunSpec, options: TrainingOptions, digest: str, initial: Model | None
) -> dict[str, Any]:
    """Collect what makes a run this run and no other, as plain values."""
    settings = dataclasses.asdict(options)
    settings["class_weight"] = repr(options.class_weight)
    settings["device"] = spec.device
    settings["n_submodels"] = options.divided_for(spec.network, spec.samples.n_samples).n_submodels
    del settings["checkpoint_every"]  # changes nothing in the result
    start = None if initial is None else zlib.crc32(initial.parameters.tobytes())
    return {"network": spec.network.to_json(), **settings, "data": digest, "initial": start}
