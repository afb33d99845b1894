"""What people look at: progress, curves and tables. It listens to runs and does not change them.

What notebooks show of the library's objects is in `forms`, and what `.plot()` draws in `plots`.
"""

from __future__ import annotations

from dask_horn.diagnostics.json_lines import JSONLines
from dask_horn.diagnostics.ml_flow import MLflow
from dask_horn.diagnostics.progress import ProgressBar
from dask_horn.diagnostics.tables import history_table
from dask_horn.diagnostics.tensor_board import TensorBoard

__all__ = [
    "JSONLines",
    "MLflow",
    "ProgressBar",
    "TensorBoard",
    "history_table",
]
