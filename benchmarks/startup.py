"""Starting: imports, a worker's kernels, a first fit and the whole demo, cold and warm.

python -m benchmarks.startup --data FOLDER [--full]
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.benchmark import Benchmark, Measured
from benchmarks.report import markdown_table
from benchmarks.timing import median_and_spread

_CLOCK = "import time; began = time.perf_counter(); "
_IMPORT = (
    f"{_CLOCK}import dask_horn, sys; "
    "print(time.perf_counter() - began, int('numba' in sys.modules))"
)
_IMPORT_ALL = (
    f"{_CLOCK}from dask_horn import HornClassifier, train; print(time.perf_counter() - began)"
)
# What a worker does beyond importing Dask and Numba, for a dense network with dropout.
_WORKER = """
import time
import distributed, numba
began = time.perf_counter()
from benchmarks.operations import load_kernels
load_kernels()
print(time.perf_counter() - began)
"""
_FIT = """
import time
began = time.perf_counter()
from sklearn.datasets import load_digits
X, y = load_digits(return_X_y=True)
loaded = time.perf_counter()
from dask_horn import HornClassifier
imported = time.perf_counter()
accuracy = HornClassifier(random_state=0).fit(X, y).score(X, y)
done = time.perf_counter()
assert accuracy > 0.97, accuracy
print(imported - loaded, done - imported)
"""
#: Bounds in seconds with a cold and a warm kernel cache, where the project has set some.
_BOUNDS: dict[str, tuple[float, float]] = {"kernels": (20, 2), "demo": (60, 15)}
_TEXTS = {
    "import": "`import dask_horn`",
    "names": "importing `HornClassifier` and `train`",
    "kernels": "kernels of a worker",
    "fit": "first `HornClassifier().fit` on digits, after its import",
    "demo": "`dask-horn demo`",
}


def measure(folder: Path, full: bool) -> Measured:
    """Measure in fresh processes: with an empty kernel cache, and then with the filled one."""
    contestants: dict[str, Callable[[Path], float]] = {
        "import": lambda cache: _python(_IMPORT, cache)[0],
        "names": lambda cache: _python(_IMPORT_ALL, cache)[0],
        "kernels": lambda cache: _python(_WORKER, cache)[0],
        "fit": lambda cache: _python(_FIT, cache)[1],
        "demo": _demo,
    }
    seconds: dict[str, dict[str, list[float]]] = {}
    _python(_IMPORT_ALL, Path(tempfile.gettempdir()))  # the files are in the system's cache
    for what, contestant in contestants.items():
        seconds[what] = {"cold": [], "warm": []}
        for _ in range(3 if full else 1):
            with tempfile.TemporaryDirectory() as cache:
                for state in ("cold", "warm"):
                    seconds[what][state].append(contestant(Path(cache)))
        print(what, seconds[what])
    with tempfile.TemporaryDirectory() as cache:
        loads_numba = bool(_python(_IMPORT, Path(cache))[1])
    return {"seconds": seconds, "import_loads_numba": loads_numba}


def _python(code: str, cache: Path) -> list[float]:
    """Run code in a fresh Python; return the numbers that it prints."""
    return [float(word) for word in _run([sys.executable, "-c", code], cache).split()]


def _demo(cache: Path) -> float:
    began = time.perf_counter()
    target = tempfile.mkdtemp(dir=cache)
    output = _run([sys.executable, "-m", "dask_horn", "demo", "--folder", target], cache)
    seconds = time.perf_counter() - began
    accuracies = [float(value) for value in re.findall(r"(?:model|ensemble) +([\d.]+)%", output)]
    assert len(accuracies) == 2 and min(accuracies) >= 97, output
    return seconds


def _run(command: list[str], cache: Path) -> str:
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache / "cache"), "NO_COLOR": "1"}
    return subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def render(measured: Measured, plots: Path) -> str:
    """Write the table, with what was bound to be."""
    seconds = measured["seconds"]
    rows = [_row(what, seconds[what]) for what in _TEXTS]
    loads = "loads" if measured["import_loads_numba"] else "does not load"
    n = len(seconds["fit"]["cold"])
    return (
        f"Seconds, of {n} fresh process{'es' * (n > 1)} for each: median and quartiles. The "
        "kernels are those of a dense network with dropout, AdamW and cross entropy; importing "
        "Dask and Numba is not counted there. A fit has default settings, 30 rounds on 1,797 "
        f"digits, without a cluster. `import dask_horn` {loads} Numba. The demo is the whole "
        "command: imports, a cluster of two processes, two trainings, model and picture.\n\n"
        + markdown_table(("", "cold kernel cache", "warm", "bounds"), rows)
    )


def _row(what: str, seconds: dict[str, list[float]]) -> tuple[object, ...]:
    states = [median_and_spread(seconds[state]) for state in ("cold", "warm")]
    return (_TEXTS[what], *states, _bound(what, seconds))


def _bound(what: str, seconds: dict[str, Any]) -> str:
    """Say what the bounds are, and whether every process kept them."""
    if what not in _BOUNDS:
        return ""
    bounds = dict(zip(("cold", "warm"), _BOUNDS[what], strict=True))
    kept = all(max(seconds[state]) <= bound for state, bound in bounds.items())
    told = ", ".join(f"≤ {bound:g} {state}" for state, bound in bounds.items())
    return f"{told}: {'kept' if kept else '**not kept**'}"


BENCHMARK = Benchmark("startup", "Starting", measure, render)

if __name__ == "__main__":
    BENCHMARK.command()()
