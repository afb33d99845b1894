"""``python -m benchmarks.throughput --data FOLDER [--full]``."""

from __future__ import annotations

from benchmarks.throughput.table import BENCHMARK

if __name__ == "__main__":
    BENCHMARK.command()()
