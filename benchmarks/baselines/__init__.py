"""The baselines that HORN-27 was written against, on Dask workers.

python -m benchmarks.baselines --data FOLDER [--full]

They share a plain network of dense layers (`network`), rows and learning rates (`rows`), and
workers that talk to each other (`peers`); `methods` has a class for each, `wire` counts bytes.
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
