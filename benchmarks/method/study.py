"""Studies: many small runs, resumable, one on each core, whose records become a table.

Each run's settings and what it measured are one line of ``records/<study>.jsonl``. A run whose
settings are there already is not done again, so an interrupted study goes on where it stopped
and a finished one only writes its table anew.
"""

from __future__ import annotations

import datetime
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.datasets import data_option
from benchmarks.report import setting, write_section

RECORDS = Path(__file__).parent / "records"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Settings = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """One run.

    Attributes
    ----------
    settings : dict
        Of the run: plain values, as JSON gives them back.
    measured : dict
        What the run found, plain values too.
    seconds : float
        Wall time of the run on one core.
    """

    settings: Settings
    measured: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class Study:
    """A section of RESULTS.md, and how it comes about.

    Attributes
    ----------
    name : str
        Of the section and of the file of records.
    title : str
        Of the section.
    runs : sequence of dict
        Settings of every run: plain values, all that `work` needs beside the data.
    work : callable
        ``work(folder, settings)`` does one run in a process of its own and returns what it
        measured. A function of a module, since it is sent there by name.
    render : callable
        From all records to the section's text.
    processes : int or None
        Runs at a time; None: one on each core. 1 where a run takes all cores itself.
    """

    name: str
    title: str
    runs: Sequence[Settings]
    work: Callable[[Path, Settings], dict[str, Any]]
    render: Callable[[Sequence[Record]], str]
    processes: int | None = None

    def command(self) -> click.Command:
        """Make the study's command line."""

        @click.command(help=self.title)
        @data_option
        @click.option(
            "--processes", default=self.processes or os.cpu_count() or 1, show_default=True
        )
        def main(folder: Path, processes: int) -> None:
            self.report(folder, processes)

        return main

    def report(self, folder: Path, processes: int) -> None:
        """Measure, and write the section."""
        records = self.measure(folder, processes)
        seconds = sum(record.seconds for record in records)
        what = f"python -m benchmarks.method.{self.name} --data FOLDER"
        cost = f"{len(records)} runs, {seconds / 60:.0f} minutes in all, "
        cost += (
            "one at a time." if self.processes == 1 else f"one core each, {processes} at a time."
        )
        body = f"{setting(what)}\n\n{cost}\n\n{self.render(records)}"
        write_section(f"method-{self.name}", self.title, body)

    def measure(self, folder: Path, processes: int) -> list[Record]:
        """Do the runs that have no record yet; return the records of all, in their order."""
        path = RECORDS / f"{self.name}.jsonl"
        done = _read(path)
        missing = [settings for settings in self.runs if _key(settings) not in done]
        for variable in _THREADS:  # here, since BLAS reads them while a new process loads it
            os.environ[variable] = "1"
        with ProcessPoolExecutor(
            processes, mp_context=multiprocessing.get_context("spawn"), initializer=_one_thread
        ) as pool:
            futures = {
                pool.submit(_timed, self.work, folder, settings): settings for settings in missing
            }
            for number, future in enumerate(as_completed(futures), start=1):
                record = future.result()
                _append(path, record)
                done[_key(record.settings)] = record
                click.echo(f"{number}/{len(missing)}  {record.settings}  {record.measured}")
        return [done[_key(settings)] for settings in self.runs]


def grouped(records: Iterable[Record], *names: str) -> dict[tuple[Any, ...], list[Record]]:
    """Gather records that agree in these settings, in the order in which they first come."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        key = tuple(_hashable(record.settings.get(name)) for name in names)
        groups.setdefault(key, []).append(record)
    return groups


def mean_and_spread(records: Sequence[Record], name: str, digits: int = 2) -> str:
    """Format the mean of a measured value over seeds, and its standard deviation."""
    values = np.array([record.measured[name] for record in records], float)
    if values.size < 2:
        return f"{values[0]:.{digits}f}"
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}"


def _one_thread() -> None:
    """Let a process keep to its core: no Dask threads."""
    import dask

    dask.config.set(scheduler="synchronous")


def _timed(
    work: Callable[[Path, Settings], dict[str, Any]], folder: Path, settings: Settings
) -> Record:
    began = time.perf_counter()
    measured = work(folder, settings)
    return Record(settings, measured, time.perf_counter() - began)


def _key(settings: Settings) -> str:
    return json.dumps(settings, sort_keys=True)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _read(path: Path) -> dict[str, Record]:
    if not path.exists():
        return {}
    lines = map(json.loads, path.read_text().splitlines())
    return {
        _key(line["settings"]): Record(line["settings"], line["measured"], line["seconds"])
        for line in lines
    }


def _append(path: Path, record: Record) -> None:
    path.parent.mkdir(exist_ok=True)
    line = {
        "settings": record.settings,
        "measured": record.measured,
        "seconds": round(record.seconds, 2),
        "date": f"{datetime.date.today()}",
    }
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
