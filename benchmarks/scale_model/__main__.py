"""The benchmark as a command."""

from benchmarks.scale_model import BENCHMARK

BENCHMARK.command()()
