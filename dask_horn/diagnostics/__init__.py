"""What people look at: progress, curves and tables. It listens to runs and does not change them."""

from __future__ import annotations

from dask_horn.diagnostics.forms import history_html, result_html
from dask_horn.diagnostics.plots import plot_history, plot_partition
from dask_horn.diagnostics.progress import ProgressBar
from dask_horn.diagnostics.tables import history_table

__all__ = [
    "ProgressBar",
    "history_html",
    "history_table",
    "plot_history",
    "plot_partition",
    "result_html",
]
