"""Settings of the whole test suite."""

from __future__ import annotations

from hypothesis import settings

# A first example may compile kernels, and other processes take the cores: time proves nothing.
settings.register_profile("dask_horn", deadline=None)
settings.load_profile("dask_horn")
