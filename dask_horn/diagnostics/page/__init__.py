"""The page `/horn` on the Dask dashboard: what is trained on a cluster, seen as it happens.

`state` reduces records to what is known, `clock`, `division`, `timeline` and `traffic` derive what
is drawn of that, `plots` and `header` draw it with Bokeh, and `plugin` brings all of that to the
scheduler. None of it is imported there: it comes by value.
"""

from __future__ import annotations

from dask_horn.diagnostics.page.by_value import PageByValue
from dask_horn.diagnostics.page.plugin import NAME

__all__ = ["NAME", "PageByValue"]
