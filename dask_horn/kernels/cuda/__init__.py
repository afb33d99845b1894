"""CUDA's kernels, one file per family; importing this registers them all (none compiles)."""

from __future__ import annotations

from dask_horn.kernels.cuda import (  # noqa: F401  (imported to register their kernels)
    activations,
    dropconnect,
    dropout,
    encodings,
    gather,
    gemm,
    losses,
    optimizers,
    steps,
)
