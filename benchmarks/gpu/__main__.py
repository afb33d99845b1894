"""Checks, then times: python -m benchmarks.gpu [--quick | --tiny] [--data FOLDER] [--json FILE]."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from benchmarks.datasets import VARIABLE
from benchmarks.gpu.scale import SCALES
from benchmarks.gpu.sections import FAILED, SECTIONS, run_all, run_here

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option("--scale", type=click.Choice(list(SCALES)), default="full", show_default=True)
@click.option("--quick", "scale", flag_value="quick", help="Less than two minutes.")
@click.option("--tiny", "scale", flag_value="tiny", help="Small, without a GPU too.")
@click.option("--json", "to", type=_FILE, help="Keep all rows in a file.")
@click.option("--data", "folder", envvar=VARIABLE, type=_FOLDER, help="Folder with MNIST.")
@click.option("--only", multiple=True, type=click.Choice(list(SECTIONS)), help="Some sections.")
@click.option("--here", hidden=True, type=click.Choice(list(SECTIONS)))
@click.option("--into", hidden=True, type=_FILE)
@click.option("--without-ours", is_flag=True, hidden=True)
def main(
    scale: str,
    to: Path | None,
    folder: Path | None,
    only: tuple[str, ...],
    here: str | None,
    into: Path | None,
    without_ours: bool,
) -> None:
    """Check our kernels on this GPU, then time them beside PyTorch and JAX."""
    if here is not None:
        whole = run_here(here, scale, folder, into, without_ours=without_ours)
        sys.exit(0 if whole else FAILED)
    run_all(only or list(SECTIONS), SCALES[scale], folder, to)


if __name__ == "__main__":
    main()
