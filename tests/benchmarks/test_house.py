"""What the count of the house finds in a small checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("benchmarks", reason="a source distribution has no benchmarks")

from benchmarks.house import count

WIDE = "def wide(a, b, c, d, e, f, g, *, h, i):\n    return a\n"


@pytest.fixture
def root(tmp_path):
    def write(path, text):
        file = tmp_path / "dask_horn" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    write("__init__.py", "from dask_horn.a import one\n")
    write("a.py", "def one():\n    from dask_horn.room.b import two\n    return two\n")
    write("room/__init__.py", "")
    write("room/b.py", f'"""Two\nlines."""\n\n# a comment\nfrom dask_horn import a\n\n\n{WIDE}')
    write("kernels/c.py", "\n".join(f"line_{i} = {i}" for i in range(401)))
    write(
        "kernels/d.py", f"@inlined()\n{WIDE}\n\ndef make():\n    {WIDE.splitlines()[0]} return a\n"
    )
    run = "\n".join(f"value_{i} = {i}" for i in range(6))
    write("e.py", run)
    write("f.py", f"import os\n\n{run}\n")
    return tmp_path


def test_everything_is_found_and_named(root):
    said = count(root, "dask_horn")
    assert said["files over 400 lines"] == (1, ["dask_horn/kernels/c.py: 401"])
    assert said["functions over 8 parameters"] == (1, ["dask_horn/room/b.py:8 wide: 9"])
    assert said["duplicated lines"][1] == [
        "dask_horn/e.py:1 and on: 6",
        "dask_horn/f.py:3 and on: 6",
    ]
    assert said["modules in circles"] == ("2", ["dask_horn.a dask_horn.room.b"])
    assert said["folders in circles"] == ("2", ["dask_horn.a dask_horn.room"])


def test_lines_of_code_are_no_docstrings_nor_comments(root):
    said = count(root, "dask_horn")
    assert said["lines"][0] == 1 + 3 + 0 + 9 + 401 + 7 + 6 + 8
    assert said["lines of code"][0] == 1 + 3 + 0 + 3 + 401 + 5 + 6 + 7


def test_another_checkout_is_counted_by_its_root(root):
    for part in ("tests", "benchmarks"):
        (root / part).mkdir()
    command = [sys.executable, "-m", "benchmarks.house", "--root", str(root)]
    out = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert "dask_horn/kernels/c.py: 401" in out.stdout
