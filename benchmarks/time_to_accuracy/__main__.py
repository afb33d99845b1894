"""The command."""

from benchmarks.time_to_accuracy import BENCHMARK

if __name__ == "__main__":
    BENCHMARK.command()()
