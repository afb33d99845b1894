"""`dask-horn predict`: from samples in Zarr to predictions in Zarr."""

from __future__ import annotations

from typing import Any

import click

from dask_horn.cli.command import Command, option
from dask_horn.cli.storage import storage_option
from dask_horn.cli.workers import scheduler_option, working

_EXAMPLES = """
dask-horn predict MODEL.zarr NEW.zarr --out PREDICTED.zarr
dask-horn predict MODEL.zarr s3://bucket/new.zarr --out s3://bucket/predicted.zarr --proba
"""


@click.command(cls=Command, short_help="Predict with a saved model.", examples=_EXAMPLES)
@click.argument("model", metavar="MODEL.zarr")
@click.argument("data", metavar="DATA.zarr")
@option(
    "--out",
    metavar="PRED.zarr",
    required=True,
    section="Files",
    help="Zarr group to write the predictions to, as its array y: a path or URL.",
)
@option(
    "--proba",
    is_flag=True,
    section="Output",
    help="Write the probability of each class instead of the label.",
)
@option("--overwrite", is_flag=True, section="Files", help="Replace the predictions at --out.")
@storage_option
@scheduler_option
def predict(
    model: str,
    data: str,
    out: str,
    proba: bool,
    overwrite: bool,
    storage_options: dict[str, Any] | None,
    scheduler: str | None,
) -> None:
    """Predict with MODEL.zarr for the samples in DATA.zarr, a Zarr group with an array X.

    The samples are read chunk by chunk, so they may be larger than memory. An array y in DATA.zarr
    is ignored.
    """
    from dask_horn.data import open_samples
    from dask_horn.data.store.locations import without_secrets
    from dask_horn.model import load

    samples = open_samples(data, storage_options, require_y=False)
    found = load(model, storage_options)
    with working(scheduler, 0 if scheduler is None else None, at_once=1):
        (found.predict_proba if proba else found.predict)(
            data, out=out, overwrite=overwrite, storage_options=storage_options
        )
    what = "probabilities" if proba else "predictions"
    click.echo(
        f"Wrote {what} for {samples.n_samples:,} samples to {without_secrets(out)} (array y)"
    )
