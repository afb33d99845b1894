"""Faults, and the same bits: python -m benchmarks.chaos [--faults N] [--seed N] [--short]."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import click

from benchmarks.benchmark import QUICK
from benchmarks.chaos.run import TrialError
from benchmarks.chaos.table import BENCHMARK, LONG, SHORT, plain
from benchmarks.chaos.trial import tried
from benchmarks.report import RESULTS


@click.command(help=BENCHMARK.title)
@click.option("--faults", type=click.IntRange(min=1), default=LONG, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--short", is_flag=True, help=f"{SHORT} faults, as in the tests.")
@click.option("--render", "only", is_flag=True, help="Write the section, try nothing.")
def main(faults: int, seed: int, short: bool, only: bool) -> None:
    """Try, and end with 1 where bits differ or nothing goes on.

    What RESULTS.md has is the long form from seed 0; all others go to the quick results.
    """
    faults = SHORT if short else faults
    full = faults == LONG and seed == 0
    if only:
        BENCHMARK.report(full)
        return
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        trial = tried(folder, faults, seed)
    except TrialError as error:
        click.secho(f"{error}\nAll logs are in {folder}", fg="red")
        sys.exit(1)
    options = f" --faults {faults} --seed {seed}" if not full else ""
    BENCHMARK.keep(plain(trial), f"python -m benchmarks.chaos{options}", full)
    BENCHMARK.report(full)
    click.echo(f"{trial.verdict}; written to {RESULTS if full else QUICK / 'RESULTS.md'}")
    if trial.differing:
        click.secho(f"All logs are in {folder}", fg="red")
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
