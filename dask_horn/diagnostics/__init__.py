"""What people look at: progress, curves and tables. It listens to runs and does not change them.

What notebooks show of the library's objects is in `forms`.
"""

from __future__ import annotations

from dask_horn.diagnostics.plots import plot_history, plot_partition
from dask_horn.diagnostics.progress import ProgressBar
from dask_horn.diagnostics.tables import history_table

__all__ = [
    "ProgressBar",
    "history_table",
    "plot_history",
    "plot_partition",
]
