"""Run the benchmark of the baselines."""

from __future__ import annotations

from benchmarks.baselines.table import BENCHMARK

if __name__ == "__main__":
    BENCHMARK.command()()
