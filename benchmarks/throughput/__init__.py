"""Samples per second of one thread: our kernels, PyTorch, scikit-learn, and the floor."""

from __future__ import annotations

from benchmarks.throughput.table import BENCHMARK

__all__ = ["BENCHMARK"]
