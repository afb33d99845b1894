"""`dask-horn train`: from samples in Zarr to a model in Zarr."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from dask_horn.cli.command import Command, integers, option
from dask_horn.cli.network import NetworkOptions, network_options
from dask_horn.cli.workers import scheduler_option, workers_option

if TYPE_CHECKING:
    from dask_horn.data import SampleStore
    from dask_horn.network import Network

__all__ = ["train"]

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


@click.command(
    cls=Command, short_help="Train a network on the samples of a Zarr group.", examples=_EXAMPLES
)
@click.argument("data", metavar="DATA.zarr")
@option(
    "--out",
    metavar="MODEL.zarr",
    required=True,
    section="Files",
    help="Where to save the model; path or URL.",
)
@option(
    "--validation",
    "validation_data",
    metavar="DATA.zarr",
    section="Files",
    help="Samples to score the model on after each round.",
)
@option(
    "--checkpoint",
    metavar="FOLDER",
    section="Files",
    help="Keep the state between rounds here; the same command goes on from it.",
)
@option(
    "--history",
    metavar="FILE.csv",
    section="Files",
    help="Write a line per round: losses, score, seconds, bytes.",
)
@option("--overwrite", is_flag=True, section="Files", help="Replace a model that is there.")
@network_options
@option(
    "--groups",
    "n_groups",
    type=int,
    metavar="G",
    default=1,
    section="Division",
    help="Worker groups, each with its own subset of the samples.",
)
@option(
    "--submodels",
    "n_submodels",
    callback=integers,
    metavar="K[,K…]",
    default="2",
    section="Division",
    help="Disconnected sub-models in each group; the last rounds have K/2, K/4, ..., 1, as far as "
    "they take no longer than those before. A list gives each round's own.",
)
@option(
    "--merge",
    type=click.Choice(["average", "ensemble"]),
    default="average",
    section="Division",
    help="Merge the groups into one model, or keep each as a member of an ensemble.",
)
@option(
    "--group-data",
    type=click.Choice(["subset", "all"]),
    default="subset",
    section="Division",
    help="Whether a group trains on its own subset of the samples or on all.",
)
@option(
    "--rounds",
    "n_rounds",
    type=int,
    metavar="N",
    default=30,
    section="Training",
    help="How often to divide, train and merge.",
)
@option(
    "--steps-per-round",
    type=int,
    metavar="N",
    section="Training",
    help="Optimizer steps of each sub-model in a round; by default a pass over the group's "
    "samples, and at least 50.",
)
@option(
    "--batch-size",
    type=int,
    metavar="N",
    section="Training",
    help="Samples in a step; by default 128, less where samples are few.",
)
@option(
    "--optimizer",
    type=click.Choice(["adamw", "sgd"]),
    default="adamw",
    section="Training",
    help="Of the sub-models.",
)
@option(
    "--learning-rate",
    type=float,
    metavar="RATE",
    section="Training",
    help="At its highest; by default what suits the optimizer and the widest hidden layer.",
)
@option(
    "--weight-decay",
    type=float,
    metavar="RATE",
    section="Training",
    help="Of the weights, not the biases; by default none for sgd, and for adamw what suits the "
    "number of samples and the length of the run.",
)
@option(
    "--early-stopping",
    is_flag=True,
    section="Training",
    help="Stop when the validation score rises no more, and keep the best round's model. Without "
    "--validation a tenth of the samples is held out.",
)
@option(
    "--seed",
    "random_state",
    type=int,
    metavar="N",
    default=0,
    section="Training",
    help="Equal data, settings and seed give an equal model, on any number of workers.",
)
@option(
    "--device",
    type=click.Choice(["cpu", "auto"]),
    default="cpu",
    section="Training",
    help="What the sub-models are trained on; auto is settled when the run starts.",
)
@scheduler_option
@workers_option
def train(
    data: str,
    out: str,
    validation_data: str | None,
    checkpoint: str | None,
    history: str | None,
    overwrite: bool,
    network_options: NetworkOptions,
    n_submodels: tuple[int, ...],
    scheduler: str | None,
    workers: int | None,
    **settings: Any,
) -> None:
    """Train a network on the Zarr group DATA.zarr, which holds arrays X and y.

    What y holds decides what is learnt: integers or text are classes, floats are values, rows of
    integers are labels that are each 0 or 1.
    """
    # Mistakes are told before any worker is started.
    from dask_horn.cli.session import run_session
    from dask_horn.cli.workers import working
    from dask_horn.data import open_samples
    from dask_horn.model import check_free
    from dask_horn.partition import check_divisible
    from dask_horn.training import TrainingOptions

    settings["n_submodels"] = n_submodels if len(n_submodels) > 1 else n_submodels[0]
    options = TrainingOptions(**settings)
    check_free(out, overwrite)
    if history is not None and not os.path.isdir(os.path.dirname(history) or "."):
        raise FileNotFoundError(f"--history {history}: there is no such folder")
    samples = open_samples(data)
    if validation_data is not None:
        open_samples(validation_data)
    network = network_options.network(samples)
    check_divisible(network, options.most_submodels)
    at_once = options.n_groups * options.most_submodels
    click.echo(_told(samples, network), err=True)
    with working(scheduler, workers, at_once):
        result = run_session(
            network, data, validation_data=validation_data, checkpoint=checkpoint, **settings
        )
    result.model.save(out, overwrite=overwrite)
    if history is not None:
        with open(history, "w", encoding="utf-8") as file:
            file.write(result.history.to_csv())
    click.echo(f"Saved {out}")


def _told(samples: SampleStore, network: Network) -> str:
    """Say in two lines what is about to be trained on what."""
    n = network.n_outputs
    what = {"cross_entropy": "classes", "binary_cross_entropy": "labels"}.get(network.loss)
    learnt = f"{n} {what}" if what else f"{n} value{'s' if n > 1 else ''}"
    if network.output_rows > 1:
        learnt += " for each step"
    widths = [units for axis, units in network.unit_axes.items() if axis != "input"]
    return (
        f"{samples.n_samples:,} samples of {samples.n_features:,} {samples.dtype}, {learnt}\n"
        f"{'-'.join(map(str, (network.n_inputs, *widths)))}: "
        f"{network.parameters.n_parameters:,} parameters, loss {network.loss}"
    )
