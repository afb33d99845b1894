"""How time, bytes and memory grow as groups, sub-models, width, samples and workers do, each alone.

python -m benchmarks.growth --data FOLDER
"""

from benchmarks.benchmark import Benchmark
from benchmarks.growth.measuring import measure
from benchmarks.growth.telling import render

BENCHMARK = Benchmark("growth", "Growth", measure, render)
