"""Starting: a worker's kernels, cold and warm, and the whole demo.

python -m benchmarks.startup
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from benchmarks.report import markdown_table, setting, write_section

# What a worker does beyond importing Dask and Numba, for a dense network with dropout.
_WORKER = """
import time
import distributed, numba
began = time.perf_counter()
from dask_horn.program import warm_up
warm_up((
    "gather_uint8", "gather_targets", "gemm_forward", "gemm_weight", "gemm_input", "store",
    "relu_forward", "relu_backward", "linear_forward", "linear_backward",
    "dropout_forward", "dropout_backward", "cross_entropy", "adamw",
))
print(time.perf_counter() - began)
"""


@click.command()
@click.option("--repeats", default=3, show_default=True)
def main(repeats: int) -> None:
    """Measure in fresh processes: with an empty kernel cache, and with a filled one."""
    rows = []
    for what, measure, bound in (
        ("kernels of a worker, s", _worker, "≤ 20 cold, ≤ 2 warm"),
        ("`dask-horn demo`, s", _demo, "≤ 60 cold, ≤ 15 warm"),
    ):
        cold, warm = [], []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as folder:
                cold.append(measure(Path(folder)))
                warm.append(measure(Path(folder)))
        rows.append((what, *(_spread(values) for values in (cold, warm)), bound))
        click.echo("  ".join(rows[-1]))
    body = (
        f"{setting('python -m benchmarks.startup')}\n\n"
        f"Median of {repeats} fresh processes (least – most). The kernels are those of a dense "
        "network with dropout, AdamW and cross entropy; importing Dask and Numba is not counted. "
        "The demo is the whole command: imports, a cluster of two processes, two trainings, "
        "model and picture.\n\n" + markdown_table(("", "cold kernel cache", "warm", "bound"), rows)
    )
    write_section("startup", "Starting", body)


def _worker(folder: Path) -> float:
    output = _run([sys.executable, "-c", _WORKER], folder)
    return float(output)


def _demo(folder: Path) -> float:
    began = time.perf_counter()
    target = tempfile.mkdtemp(dir=folder)
    output = _run([sys.executable, "-m", "dask_horn", "demo", "--folder", target], folder)
    seconds = time.perf_counter() - began
    accuracies = [float(value) for value in re.findall(r"(?:model|ensemble) +([\d.]+)%", output)]
    assert len(accuracies) == 2 and min(accuracies) >= 97, output
    return seconds


def _run(command: list[str], cache: Path) -> str:
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache / "cache"), "NO_COLOR": "1"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout


def _spread(values: list[float]) -> str:
    ordered = sorted(values)
    middle = ordered[len(ordered) // 2]
    return f"{middle:.1f} ({ordered[0]:.1f} – {ordered[-1]:.1f})"


if __name__ == "__main__":
    main()
