"""What notebooks show of the library's objects: HTML that suits light and dark pages."""

from __future__ import annotations

from dask_horn.diagnostics.forms.fitted import fitted_html
from dask_horn.diagnostics.forms.history import history_html
from dask_horn.diagnostics.forms.models import model_html
from dask_horn.diagnostics.forms.network import network_html
from dask_horn.diagnostics.forms.options import options_html
from dask_horn.diagnostics.forms.partition import partition_html
from dask_horn.diagnostics.forms.result import result_html

__all__ = [
    "fitted_html",
    "history_html",
    "model_html",
    "network_html",
    "options_html",
    "partition_html",
    "result_html",
]
