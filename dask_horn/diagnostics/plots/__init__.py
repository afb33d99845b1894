"""Figures, a file for each of what is drawn."""

from __future__ import annotations

from dask_horn.diagnostics.plots.history import plot_history, plot_partition

__all__ = ["plot_history", "plot_partition"]
