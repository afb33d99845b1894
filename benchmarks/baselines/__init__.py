"""The baselines that HORN-27 was written against, on our kernels and on Dask.

python -m benchmarks.baselines --data FOLDER [--full]
"""

from __future__ import annotations

from typing import Any

__all__ = ["BENCHMARK"]


def __getattr__(name: str) -> Any:
    """Load the table when it is asked for: workers import the baselines, and need it not."""
    if name != "BENCHMARK":
        raise AttributeError(name)
    from benchmarks.baselines.table import BENCHMARK

    return BENCHMARK
