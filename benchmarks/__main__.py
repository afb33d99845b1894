"""All benchmarks, one after the other.

python -m benchmarks --data FOLDER            a quick form of all, into benchmarks/quick
python -m benchmarks --data FOLDER --full     the form that RESULTS.md reports
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path

import click

from benchmarks.benchmark import QUICK, Benchmark
from benchmarks.datasets import data_option
from benchmarks.report import RESULTS

NAMES: tuple[str, ...] = (
    "throughput",
    "convolution",
    "recurrent",
    "normalization",
    "dropconnect_cost",
    "time_to_accuracy",
    "baselines",
    "mnist",
    "defaults",
    "division",
    "tables",
    "startup",
    "overhead",
    "utilization",
    "page",
    "reading",
    "growth",
    "scale_model",
)


@click.command()
@data_option
@click.option("--full", is_flag=True, help="In the form that RESULTS.md reports: hours.")
def main(folder: Path, full: bool) -> None:
    """Run every benchmark, and write its section as soon as it is done."""
    for name in NAMES:
        click.secho(f"\n{name}", bold=True)
        began = time.perf_counter()
        benchmark: Benchmark = importlib.import_module(f"benchmarks.{name}").BENCHMARK
        benchmark.run(folder, full)
        benchmark.report(full)
        click.echo(f"{name}: {time.perf_counter() - began:.0f} s")
    click.echo(f"Written to {RESULTS if full else QUICK / 'RESULTS.md'}")


if __name__ == "__main__":
    main()
