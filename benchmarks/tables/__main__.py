"""The command: it fits what is asked for, and leaves the rest of the record as it is."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.datasets import data_option
from benchmarks.tables import BENCHMARK
from benchmarks.tables.recipes import RECIPES, installed
from benchmarks.tables.run import QUICK_SETS, QUICK_SPLITS, Asked, fill, fresh, merge
from benchmarks.tables.section import summary
from benchmarks.tables.sets import PARTS, SETS


@click.command(help=BENCHMARK.title)
@data_option
@click.option("--full", is_flag=True, help="In the form that RESULTS.md reports.")
@click.option("--render", "rendered", is_flag=True, help="Write the section, measure nothing.")
@click.option("--part", type=click.Choice(list(PARTS)), default="report", help="Whose splits.")
@click.option("--only", multiple=True, type=click.Choice(list(RECIPES)), help="This recipe.")
@click.option("--on", multiple=True, type=click.Choice(list(SETS)), help="This table.")
@click.option("--splits", type=click.IntRange(1, 10), help="So many of each table, not all.")
def main(
    folder: Path,
    full: bool,
    rendered: bool,
    part: str,
    only: tuple[str, ...],
    on: tuple[str, ...],
    splits: int | None,
) -> None:
    if not rendered:
        recipes = only or tuple(name for name in RECIPES if installed(name))
        tables = on or (tuple(SETS) if full else QUICK_SETS)
        asked = Asked(part, tables, recipes, splits or (None if full else QUICK_SPLITS))
        command = f"python -m benchmarks.tables --data FOLDER{' --full' if full else ''}"
        for found in fill(folder, asked):
            measured = BENCHMARK.kept(full) or fresh()  # another process may have added to it
            merge(measured, found)
            BENCHMARK.keep(measured, command, full)
    BENCHMARK.report(full)
    click.echo(summary(BENCHMARK.kept(full) or fresh(), part))


if __name__ == "__main__":
    main()
