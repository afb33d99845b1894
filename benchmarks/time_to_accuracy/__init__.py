"""Time to accuracy on two cores: MNIST, from the start of training to a rule that stops it.

python -m benchmarks.time_to_accuracy --data FOLDER [--full]
"""

from benchmarks.benchmark import Benchmark
from benchmarks.time_to_accuracy.run import measure
from benchmarks.time_to_accuracy.section import render

BENCHMARK = Benchmark("time_to_accuracy", "Time to accuracy", measure, render)
