"""Tables: our defaults beside gradient boosting and other networks, on many data sets.

python -m benchmarks.tables --data FOLDER [--full] [--part choosing|report] [--only RECIPE]
"""

from benchmarks.benchmark import Benchmark
from benchmarks.tables.run import measure
from benchmarks.tables.section import render

BENCHMARK = Benchmark("tables", "Tables, beside what users would pick instead", measure, render)
