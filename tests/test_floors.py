"""Imports run one way: a file may import only from floors below its own, or its own folder."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dask_horn"

FLOORS = {
    "checks": 0,
    "network": 0,
    "kernels": 0,
    "errors": 0,
    "partition": 1,
    "data": 1,
    "program": 2,
    "model": 3,
    "cluster": 3,
    "training": 4,
    "estimators": 5,
    "cli": 6,
    "__main__": 7,
}
LISTENER = "diagnostics"  # hears of everything up to training; others load it inside functions

MAY_KNOW_THE_CLUSTER = (
    "training/loop.py",
    "training/events.py",
    "cluster.py",
    "diagnostics/",
    "estimators.py",
    "cli/",
)

# What a room must be able to do without.
STRANGERS = {
    "network": {"dask", "distributed", "numba", "zarr"},
    "kernels": {"dask", "distributed", "zarr"},
    "partition": {"dask", "distributed", "zarr"},
    "program": {"dask", "distributed", "zarr"},
}


@dataclass(frozen=True)
class Import:
    """One imported module, as `dask_horn.network` or `numpy.typing`, and where it is written."""

    module: str
    line: int
    in_function: bool


def _imports(path: Path, source: str | None = None) -> Iterator[Import]:
    tree = ast.parse(path.read_text() if source is None else source)
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            origin = ".".join(part for part in (base, node.module) if part)
            # What is imported from the package itself is a room, or a public name of any floor.
            names = [f"{origin}.{alias.name}" for alias in node.names]
            modules = names if origin == PACKAGE.name else [origin]
        else:
            continue
        for module in modules:
            yield Import(module, node.lineno, id(node) in inner)


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def _complaint(room: str, found: Import) -> str | None:
    """Why a file in this room may not import that, or None if it may."""
    top, _, rest = found.module.partition(".")
    if top in STRANGERS.get(room, ()):
        return f"{room} must know nothing of {top}"
    other = rest.partition(".")[0]
    if top != PACKAGE.name or other in (room, "errors", "checks") or other.startswith("__"):
        return None
    if other == LISTENER:
        allowed = found.in_function or FLOORS[room] > FLOORS["training"]
        return None if allowed else f"{room} may load {LISTENER} only inside a function"
    if other not in FLOORS:
        return f"{found.module} is on no floor; import it from where it is defined"
    highest = FLOORS["training"] + 1 if room == LISTENER else FLOORS[room]
    return None if FLOORS[other] < highest else f"{room} may not import {other}, at or above it"


# The package's own file is the door: it names, lazily, what every floor offers.
FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__"
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path):
    room = _room(path)
    assert room in FLOORS or room == LISTENER, f"give {room} a floor in {Path(__file__).name}"
    complaints = [(found.line, _complaint(room, found)) for found in _imports(path)]
    assert [complaint for complaint in complaints if complaint[1]] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_few_files_know_the_cluster(path):
    name = path.relative_to(PACKAGE).as_posix()
    knows = any(
        found.module.split(".")[0] == "distributed" or found.module.startswith("dask.distributed")
        for found in _imports(path)
    )
    assert not knows or name.startswith(MAY_KNOW_THE_CLUSTER)


@pytest.mark.parametrize(
    ("file", "source", "allowed"),
    [
        ("data/blocks.py", "from dask_horn.errors import HornError", True),
        ("data/blocks.py", "from dask_horn.data.stores import SampleStore", True),
        ("data/blocks.py", "from .stores import SampleStore", True),
        ("data/blocks.py", "from dask_horn.kernels import random", True),
        ("data/blocks.py", "from dask_horn import partition", False),
        ("data/blocks.py", "from ..model import Model", False),
        ("data/blocks.py", "def f():\n    from dask_horn.training import loop", False),
        ("network/network.py", "import numba", False),
        ("network/network.py", "from dask_horn.kernels.random import philox", False),
        ("model.py", "from dask_horn import Network", False),
        ("model.py", "from dask_horn import __version__", True),
        ("model.py", "from dask_horn.diagnostics import plots", False),
        ("model.py", "def plot():\n    from dask_horn.diagnostics import plots", True),
        ("diagnostics/plots.py", "from dask_horn.training.history import History", True),
        ("diagnostics/plots.py", "from dask_horn.estimators import HornClassifier", False),
        ("cli/train.py", "from dask_horn.estimators import HornClassifier", True),
    ],
)
def test_the_reader_sees_what_it_should(file, source, allowed):
    path = PACKAGE / file
    complaints = [_complaint(_room(path), found) for found in _imports(path, source)]
    assert complaints
    assert (complaints == [None] * len(complaints)) is allowed


def test_importing_the_package_imports_no_numba():
    code = "import sys, dask_horn; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
