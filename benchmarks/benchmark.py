"""A benchmark: what it measures, how that is told, and where both are kept.

What was measured is a JSON file, and the section of RESULTS.md is written from that file alone:
``--render`` writes it anew without measuring. The quick form, which is for looking whether all
is well, has a folder of its own; RESULTS.md reports the full form.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.datasets import data_option
from benchmarks.report import RESULTS, setting, write_section

HERE = Path(__file__).parent
QUICK = HERE / "quick"

Measured = dict[str, Any]


@dataclass(frozen=True)
class Benchmark:
    """A section of RESULTS.md, and how it comes about.

    ``measure(folder, full)`` measures with the data sets in `folder` and returns plain values;
    ``render(measured, plots)`` writes the section's text, and pictures into the folder `plots`.
    """

    name: str  # of the section, of the module in `benchmarks`, and of the JSON file
    title: str
    measure: Callable[[Path, bool], Measured]
    render: Callable[[Measured, Path], str]

    def command(self) -> click.Command:
        """Make the benchmark's command line."""

        @click.command(help=self.title)
        @data_option
        @click.option("--full", is_flag=True, help="In the form that RESULTS.md reports.")
        @click.option("--render", "only", is_flag=True, help="Write the section, measure nothing.")
        def main(folder: Path, full: bool, only: bool) -> None:
            if not only:
                self.run(folder, full)
            self.report(full)

        return main

    def run(self, folder: Path, full: bool) -> None:
        """Measure, and keep what was measured."""
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        measured = self.measure(folder, full)
        command = f"python -m benchmarks.{self.name} --data FOLDER{' --full' if full else ''}"
        self.keep(measured, command, full)

    def keep(self, measured: Measured, command: str, full: bool) -> None:
        """Keep what a command has measured, with where and when."""
        path = self._records(full)
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {"setting": setting(command), "measured": measured}
        path.write_text(json.dumps(kept, indent=1) + "\n")

    def kept(self, full: bool) -> Measured | None:
        """Return what was measured before; None where nothing was."""
        path = self._records(full)
        if not path.exists():
            return None
        measured: Measured = json.loads(path.read_text())["measured"]
        return measured

    def report(self, full: bool) -> None:
        """Write the section from what is kept."""
        results = RESULTS if full else QUICK / "RESULTS.md"
        plots = results.parent / "plots"
        plots.mkdir(parents=True, exist_ok=True)
        kept = json.loads(self._records(full).read_text())
        body = f"{kept['setting']}\n\n{self.render(kept['measured'], plots)}"
        write_section(self.name, self.title, body, results)

    def _records(self, full: bool) -> Path:
        return (HERE if full else QUICK) / "records" / f"{self.name}.json"
