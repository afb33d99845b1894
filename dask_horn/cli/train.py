"""`dask-horn train`: from samples in Zarr to a model in Zarr."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from dask_horn.cli.command import Command, gather, integers, option
from dask_horn.cli.network import NetworkOptions, network_options
from dask_horn.cli.storage import storage_option
from dask_horn.cli.workers import scheduler_option, timeout_option, workers_option

if TYPE_CHECKING:
    from dask_horn.data import SampleStore
    from dask_horn.network import Network

# Defaults are those of `TrainingOptions`, written out since help must not load it; a test compares.


_EXAMPLES = r"""
dask-horn train DATA.zarr --out MODEL.zarr
dask-horn train DATA.zarr --out MODEL.zarr --hidden 800,800 --groups 2 \
    --validation HELD_OUT.zarr --checkpoint run
dask-horn train IMAGES.zarr --out MODEL.zarr --layers \
    "Dense(800, activation='relu'), Dropout(0.5), Dense(200, activation='relu')"
dask-horn train s3://bucket/data.zarr --out s3://bucket/model.zarr \
    --scheduler tcp://10.0.0.1:8786 --groups 8 --submodels 4
"""


def _submodels(
    ctx: click.Context, parameter: click.Parameter, value: str
) -> tuple[int, ...] | int | str:
    """Read "auto", a number, or numbers separated by commas: a callback for an option."""
    if value == "auto":
        return value
    numbers = integers(ctx, parameter, value) or ()
    return numbers if len(numbers) > 1 else numbers[0]


_file = partial(option, section="Files")
_division = partial(option, section="Division")
_training = partial(option, section="Training")

_FILES = (
    _file(
        "--out",
        metavar="MODEL.zarr",
        required=True,
        help="Where to save the model: a path or URL.",
    ),
    _file(
        "--validation",
        "validation_data",
        metavar="DATA.zarr",
        help="Score the model on these samples after each round.",
    ),
    _file(
        "--absent-chunks",
        type=click.Choice(["warn", "fill", "error"]),
        default="warn",
        help="What to do about chunks that were never written and read as the fill value.",
    ),
    _file(
        "--checkpoint",
        metavar="FOLDER",
        help="Save the run's state here; the same command then resumes it.",
    ),
    _file(
        "--scratch",
        metavar="FOLDER",
        help="Folder or URL that all workers share, for what a run without a checkpoint keeps "
        "between rounds. By default Dask's temporary directory, if they share it.",
    ),
    _file(
        "--history",
        metavar="FILE.csv",
        help="Write one line per round: losses, score, seconds, bytes.",
    ),
    _file(
        "--overwrite", is_flag=True, help="Replace the model at --out, and any file at --history."
    ),
)


@dataclass(frozen=True)
class Files:
    """Where a run reads and writes.

    Attributes
    ----------
    out : str
        Path or URL of the model.
    validation_data : str or None
        Path or URL of the samples to score on.
    absent_chunks : {"warn", "fill", "error"}
        What to do about chunks that are not stored.
    checkpoint : str or None
        Path or URL of the folder.
    scratch : str or None
        Path or URL of a folder for the run's own files.
    history : str or None
        Path of the table of rounds.
    overwrite : bool
        Whether a model at `out` may be replaced.
    """

    out: str
    validation_data: str | None
    absent_chunks: str
    checkpoint: str | None
    scratch: str | None
    history: str | None
    overwrite: bool


@click.command(
    cls=Command, short_help="Train a network on the samples of a Zarr group.", examples=_EXAMPLES
)
@click.argument("data", metavar="DATA.zarr")
@gather("files", Files, _FILES)
@network_options
@_division(
    "--groups",
    "n_groups",
    type=int,
    metavar="G",
    default=1,
    help="Number of worker groups; each trains a copy of the model on its own subset of the "
    "samples.",
)
@_division(
    "--submodels",
    "n_submodels",
    callback=_submodels,
    metavar="auto|K[,K…]",
    default="auto",
    help="Number of disconnected sub-models in each group; auto divides none but wide networks, "
    "where it costs no accuracy. They are joined towards the end of the "
    "run: to K/2, K/4, ..., 1, unless that would take longer than the rounds before. A list gives "
    "the number for each round; the last one repeats.",
)
@_division(
    "--merge",
    type=click.Choice(["average", "ensemble"]),
    default="average",
    help="Average the groups into one model, or keep each as a member of an ensemble.",
)
@_division(
    "--group-data",
    type=click.Choice(["subset", "all"]),
    default="subset",
    help="Train each group on its own subset of the samples, or on all of them.",
)
@_training(
    "--rounds",
    "n_rounds",
    type=int,
    metavar="N",
    default=30,
    help="Number of rounds. In each one the sub-models are trained, then merged.",
)
@_training(
    "--steps-per-round",
    type=int,
    metavar="N",
    help="Optimizer steps of each sub-model per round; by default one pass over the group's "
    "samples, but at least 50.",
)
@_training(
    "--batch-size",
    type=int,
    metavar="N",
    help="Samples per step; by default 128, or less if there are few samples.",
)
@_training(
    "--optimizer",
    type=click.Choice(["adamw", "sgd"]),
    default="adamw",
    help="Optimizer of the sub-models.",
)
@_training(
    "--learning-rate",
    type=float,
    metavar="RATE",
    help="Highest learning rate of the run; the default depends on the optimizer and the widest "
    "hidden layer.",
)
@_training(
    "--weight-decay",
    type=float,
    metavar="RATE",
    help="Weight decay, not applied to biases. The default is 0 for sgd; for adamw it depends on "
    "the number of samples and the length of the run.",
)
@_training(
    "--early-stopping",
    is_flag=True,
    help="Stop when the validation score no longer improves, and keep the best round's model. "
    "Without --validation, a tenth of the samples is held out.",
)
@_training(
    "--seed",
    "random_state",
    type=int,
    metavar="N",
    default=0,
    help="Random seed. The same data, settings and seed give the same model on any number of "
    "workers.",
)
@_training(
    "--device",
    metavar="NAME",
    default="cpu",
    help="Device to train on, one of those that `dask-horn info --devices` lists, or auto, which "
    "chooses one when the run starts.",
)
@_training(
    "--precision",
    type=click.Choice(["float32", "tf32", "bf16"]),
    default="float32",
    help="How a GPU multiplies large matrices.",
)
@storage_option
@scheduler_option
@workers_option
@timeout_option
def train(
    data: str,
    files: Files,
    network_options: NetworkOptions,
    storage_options: dict[str, Any] | None,
    scheduler: str | None,
    workers: int | None,
    timeout: float | None,
    **settings: Any,
) -> None:
    """Train a network on DATA.zarr, a Zarr group with arrays X and y.

    The dtype and shape of y decide the task: integers or text are classes, floats are values, and
    rows of zeros and ones are labels.
    """
    # Find mistakes before any worker is started.
    from dask_horn.cli.session import run_session
    from dask_horn.cli.workers import working
    from dask_horn.data import open_samples
    from dask_horn.data.store.locations import location_text, without_secrets
    from dask_horn.data.store.storing import check_writable, store_errors
    from dask_horn.model import check_free
    from dask_horn.partition import check_divisible
    from dask_horn.records import check_replaceable
    from dask_horn.training import TrainingOptions

    options = TrainingOptions(**settings)
    check_free(location_text(files.out, storage_options, "out"), files.overwrite)
    if files.history is not None:
        files = replace(files, history=os.path.expanduser(files.history))
    if files.history is not None:
        if not os.path.isdir(os.path.dirname(files.history) or "."):
            raise FileNotFoundError(f"--history {files.history}: there is no such folder")
        with store_errors("history", files.history):
            check_replaceable(files.history, files.overwrite)
            check_writable(files.history)
    samples = open_samples(data, storage_options)
    if files.validation_data is not None:
        open_samples(files.validation_data, storage_options)
    network = network_options.network(samples)
    check_divisible(network, options.most_submodels)
    alone = scheduler is None and _in_one(options.device)
    divided = options.divided_for(network, samples.n_samples)
    at_once = 1 if alone else divided.n_groups * divided.most_submodels
    complete = network_options.completion(network)
    click.echo(_outline(samples, network, "" if complete is None else "at most "), err=True)
    with working(scheduler, workers, at_once):
        result = run_session(
            network,
            data,
            complete,
            validation_data=files.validation_data,
            storage_options=storage_options,
            absent_chunks=files.absent_chunks,
            checkpoint=files.checkpoint,
            scratch=files.scratch,
            timeout=timeout,
            **settings,
        )
    result.model.save(files.out, files.overwrite, storage_options)
    if files.history is not None:
        with store_errors("history", files.history):
            result.history.to_csv(files.history, files.overwrite)
    click.echo(f"Saved {without_secrets(files.out)}")


def _in_one(name: str) -> bool:
    """Whether one process is to train all: others here would want the same device's memory."""
    from dask_horn.cluster import HOST, LocalExecutor
    from dask_horn.kernels.device import DEVICES

    here = LocalExecutor("sync")
    names = [one for one in DEVICES if name in (one, "auto") and one != HOST]
    states = [state for one in names for state in here.device_states(one).values()]
    return any(state.memory is not None and not state.missing for state in states)


def _outline(samples: SampleStore, network: Network, at_most: str) -> str:
    """Describe the samples and the network in two lines; of a guess its parameters at most."""
    from dask_horn.data import outputs_in_words
    from dask_horn.network import LOSSES

    steps = network.output_rows if network.output_rows > 1 else None
    learnt = outputs_in_words(LOSSES[network.loss].kind, network.n_outputs, steps)
    widths = [units for axis, units in network.unit_axes.items() if axis != "input"]
    return (
        f"{samples.n_samples:,} samples of {samples.n_features:,} {samples.dtype}, {learnt}\n"
        f"{'-'.join(map(str, (network.n_inputs, *widths)))}: "
        f"{at_most}{network.parameters.n_parameters:,} parameters, loss {network.loss}"
    )
