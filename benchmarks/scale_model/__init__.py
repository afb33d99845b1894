"""A discrete-event model of a round on up to 10,000 workers, fed with measured costs.

python -m benchmarks.scale_model --data FOLDER
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.apart import run_apart
from benchmarks.benchmark import Benchmark
from benchmarks.scale_model.predictions import predict
from benchmarks.scale_model.telling import render


def measure(folder: Path, full: bool) -> dict[str, Any]:
    """Measure the costs on this machine, and let the model predict."""
    measured = run_apart("benchmarks.scale_model.measuring:work", {"full": full})
    return {**measured, **predict(measured, full)}


BENCHMARK = Benchmark("scale_model", "Up to 10,000 workers, by a model", measure, render)
