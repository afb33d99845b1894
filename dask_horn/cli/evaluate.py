"""`dask-horn evaluate`: how good a saved model is on samples in Zarr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dask_horn.cli.command import Command
from dask_horn.cli.storage import storage_option
from dask_horn.cli.workers import scheduler_option, working

if TYPE_CHECKING:
    from dask_horn.model import Ensemble, Model
    from dask_horn.records import Score

_EXAMPLES = """
dask-horn evaluate MODEL.zarr TEST.zarr
dask-horn evaluate MODEL.zarr s3://bucket/test.zarr --scheduler tcp://10.0.0.1:8786
"""


@click.command(cls=Command, short_help="Score a saved model.", examples=_EXAMPLES)
@click.argument("model", metavar="MODEL.zarr")
@click.argument("data", metavar="DATA.zarr")
@storage_option
@scheduler_option
def evaluate(
    model: str, data: str, storage_options: dict[str, Any] | None, scheduler: str | None
) -> None:
    """Score MODEL.zarr on DATA.zarr, a Zarr group with arrays X and y.

    Print the loss, and the accuracy or R². The samples are read chunk by chunk, so they may be
    larger than memory.
    """
    from dask_horn.data import open_samples
    from dask_horn.model import load

    samples = open_samples(data, storage_options)
    found = load(model, storage_options)
    with working(scheduler, 0 if scheduler is None else None, at_once=1):
        score = found.evaluate(data, storage_options=storage_options)
    _line("samples", f"{samples.n_samples:,}")
    if found.targets.steps is not None:
        _line("steps", f"{score.n:,}, without padding")
    _line("loss", f"{score.loss:.6g} ({found.network.loss})")
    _line(score.name, _in_words(found, score))


def _in_words(found: Model | Ensemble, score: Score) -> str:
    """Write the score, and what it is of where that is not plain."""
    value = f"{score.score:.4f}"
    if found.targets.kind == "labels" and found.targets.n_outputs > 1:
        return f"{value} (all {found.targets.n_outputs} labels right)"
    if found.targets.kind == "values" and found.targets.n_outputs > 1:
        return f"{value} (mean over {found.targets.n_outputs} values)"
    return value


def _line(name: str, value: str) -> None:
    click.echo(f"{name:<12}{value}")
