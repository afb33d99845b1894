"""The benchmark as a command."""

from benchmarks.growth import BENCHMARK

BENCHMARK.command()()
