"""The command `dask-horn`. A file per command; each loads the library only when it runs."""

from __future__ import annotations

import click

from dask_horn.cli.command import Group
from dask_horn.cli.demo import demo
from dask_horn.cli.evaluate import evaluate
from dask_horn.cli.info import info
from dask_horn.cli.predict import predict
from dask_horn.cli.train import train

__all__ = ["main"]


_EXAMPLES = """
Try it:
  dask-horn demo
Then train on your own samples, in a Zarr group with arrays X and y:
  dask-horn train DATA.zarr --out MODEL.zarr --hidden 800,800 --groups 2
  dask-horn evaluate MODEL.zarr TEST.zarr
  dask-horn predict MODEL.zarr NEW.zarr --out PREDICTED.zarr
"""


@click.group(
    cls=Group,
    examples=_EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(None, "-V", "--version", package_name="dask-horn", prog_name="dask-horn")
def main() -> None:
    """Train wide neural networks on a Dask cluster, from samples in Zarr.

    The network is divided at random into disconnected sub-models, which workers train without
    messages and merge after each round.
    """


for command in (demo, train, evaluate, predict, info):
    main.add_command(command)
