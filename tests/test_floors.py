"""Imports run one way, as the table in CONTRIBUTING.md has it, and in no circle."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dask_horn"
LISTENER = "diagnostics"

MAY_KNOW_THE_CLUSTER = ("cluster/", "training/run/", "diagnostics/", "estimators/", "cli/")

# What a room must be able to do without.
STRANGERS = {
    "records": {"dask", "distributed", "numba", "zarr"},
    "network": {"dask", "distributed", "numba", "zarr"},
    "kernels": {"dask", "distributed", "zarr"},
    "partition": {"dask", "distributed", "zarr"},
    "program": {"dask", "distributed", "zarr"},
}


@cache
def _floors() -> dict[str, tuple[int, tuple[str, ...]]]:
    """The floor of each room and the folders inside it, the lowest first."""
    table = re.findall(
        r"^\| (\d+) \| `(\w+)` \| ([^|]*)\|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE
    )
    return {room: (int(floor), tuple(re.findall(r"\w+", inside))) for floor, room, inside in table}


@dataclass(frozen=True)
class Import:
    """One imported module, as `dask_horn.network` or `numpy.typing`, and where it is written."""

    module: str
    line: int
    in_function: bool
    for_types: bool


def _inside(tree: ast.Module, is_wanted) -> set[int]:
    return {id(node) for outer in ast.walk(tree) if is_wanted(outer) for node in ast.walk(outer)}


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _imports(path: Path, source: str | None = None) -> Iterator[Import]:
    tree = ast.parse(path.read_text() if source is None else source)
    in_functions, for_types = _inside(tree, _is_function), _inside(tree, _is_for_types)
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            origin = ".".join(part for part in (base, node.module) if part)
            # A name may be a module of its package; of the package itself it is a room.
            names = [f"{origin}.{alias.name}" for alias in node.names]
            modules = [name if _file_of(name) else origin for name in names]
            if origin == PACKAGE.name:
                modules = names
        else:
            continue
        for module in dict.fromkeys(modules):
            yield Import(module, node.lineno, id(node) in in_functions, id(node) in for_types)


def _file_of(module: str) -> Path | None:
    """The file of one of the package's modules, if it has one."""
    path = ROOT.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def _place(room: str, inner: str) -> int:
    """The floor within a room: files that are in no folder there, its door too, are the highest."""
    inside = _floors()[room][1]
    return inside.index(inner) if inner in inside else len(inside)


def _complaint(path: Path, found: Import) -> str | None:
    """Why a file may not import that, or None if it may."""
    room = _room(path)
    top, _, rest = found.module.partition(".")
    if top in STRANGERS.get(room, ()):
        return f"{room} must know nothing of {top}"
    other, _, inner = rest.partition(".")
    if top != PACKAGE.name or other.startswith("__"):
        return None
    if other == room:
        return _complaint_within(path, found, inner)
    if other == LISTENER:
        above = room != LISTENER and _floors()[room][0] > _floors()["training"][0]
        allowed = found.in_function or above
        return None if allowed else f"{room} may load {LISTENER} only inside a function"
    if room == LISTENER:
        allowed = other in ("records", "errors", "checks") or found.for_types
        return None if allowed else f"{LISTENER} may name {other} under TYPE_CHECKING only"
    if other not in _floors():
        return f"{found.module} is on no floor; import it from where it is defined"
    below = _floors()[other][0] < _floors()[room][0]
    return None if below else f"{room} may not import {other}, at or above it"


def _complaint_within(path: Path, found: Import, inner: str) -> str | None:
    room, parts = _room(path), path.relative_to(PACKAGE).with_suffix("").parts
    if room == LISTENER:
        return None
    own, other = parts[1] if len(parts) > 2 else "", inner.partition(".")[0]
    if _place(room, other) <= _place(room, own):
        return None
    return f"{room}/{own} may not import {found.module}, at or above it"


# The package's own file is the door: it names, lazily, what every floor offers.
FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__"
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path):
    room = _room(path)
    assert room in _floors() or room == LISTENER, f"give {room} a floor in CONTRIBUTING.md"
    complaints = [(found.line, _complaint(path, found)) for found in _imports(path)]
    assert [complaint for complaint in complaints if complaint[1]] == []


def _is_drawing(path: Path, found: Import) -> bool:
    """Whether it is an import of the exception: `.plot()` and what it draws."""
    listens = found.module.startswith(f"{PACKAGE.name}.{LISTENER}")
    return (listens and found.in_function) or (_room(path) == LISTENER and found.for_types)


def test_no_imports_in_circles():
    graph = {
        path: {
            file
            for found in _imports(path)
            if (file := _file_of(found.module)) and not _is_drawing(path, found)
        }
        - {path, PACKAGE / "__init__.py"}
        for path in FILES
    }
    # Raises CycleError, which names the files, where there is a circle.
    assert set(TopologicalSorter(graph).static_order()) == set(FILES)


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
        ("data/rows/blocks.py", "from dask_horn.errors import HornError", True),
        ("data/rows/blocks.py", "from dask_horn.data.store.samples import SampleStore", True),
        ("data/rows/blocks.py", "from dask_horn.data.rows.windows import windows", True),
        ("data/rows/blocks.py", "from .windows import windows", True),
        ("data/rows/blocks.py", "from dask_horn.kernels import random", True),
        ("data/rows/blocks.py", "from dask_horn.data.survey import survey", False),
        ("data/rows/blocks.py", "from dask_horn.data import windows", False),
        ("data/rows/blocks.py", "from dask_horn import partition", False),
        ("data/rows/blocks.py", "from ...model import Model", False),
        ("data/rows/blocks.py", "def f():\n    from dask_horn.training import run", False),
        ("data/__init__.py", "from dask_horn.data.survey.survey import survey", True),
        ("training/graph/stages.py", "from dask_horn.training.tasks.merge import Share", True),
        ("training/graph/stages.py", "from dask_horn.training.run.loop import train", False),
        ("training/graph/stages.py", "from dask_horn.data import Block", True),
        ("records/history.py", "import zarr", False),
        ("network/network.py", "import numba", False),
        ("network/network.py", "from dask_horn.kernels.random import philox", False),
        ("model.py", "from dask_horn import Network", False),
        ("model.py", "from dask_horn import __version__", True),
        ("model.py", "from dask_horn.diagnostics import plots", False),
        ("model.py", "def plot():\n    from dask_horn.diagnostics import plots", True),
        ("diagnostics/plots.py", "from dask_horn.records import History", True),
        ("diagnostics/plots.py", "from dask_horn.partition import Partition", False),
        (
            "diagnostics/plots.py",
            "if TYPE_CHECKING:\n    from dask_horn.partition import Partition",
            True,
        ),
        ("cli/train.py", "from dask_horn.estimators import HornClassifier", True),
        ("cli/train.py", "from dask_horn.diagnostics import ProgressBar", True),
    ],
)
def test_the_reader_sees_what_it_should(file, source, allowed):
    path = PACKAGE / file
    complaints = [_complaint(path, found) for found in _imports(path, source)]
    assert complaints
    assert (complaints == [None] * len(complaints)) is allowed


def test_importing_the_package_imports_no_numba():
    code = "import sys, dask_horn; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
