"""Figures, a file for each of what is drawn."""

from __future__ import annotations

from dask_horn.diagnostics.plots.calibration import plot_quantiles, plot_reliability
from dask_horn.diagnostics.plots.history import plot_history
from dask_horn.diagnostics.plots.partition import plot_partition
from dask_horn.diagnostics.plots.workers import plot_workers

__all__ = [
    "plot_history",
    "plot_partition",
    "plot_quantiles",
    "plot_reliability",
    "plot_workers",
]
