"""Rounding up, for kernels to call."""

from __future__ import annotations

from dask_horn import rounding
from dask_horn.kernels.compile import inlined

ceil_div, round_up = inlined(rounding.ceil_div), inlined(rounding.round_up)
