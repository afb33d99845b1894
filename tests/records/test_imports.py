"""A scheduler, which may have none of the libraries, can load what a run tells."""

from __future__ import annotations

import subprocess
import sys

BLOCKED = ("numba", "zarr", "dask", "distributed", "sklearn", "matplotlib", "rich")

CODE = f"""
import sys
for name in {BLOCKED}:
    sys.modules[name] = None  # importing it raises
import dask_horn.records
loaded = {{name.split(".")[1] for name in sys.modules if name.startswith("dask_horn.")}}
assert loaded <= {{"records", "errors"}}, loaded
"""


def test_records_need_neither_the_libraries_nor_a_higher_floor():
    subprocess.run([sys.executable, "-c", CODE], check=True)
