"""The CPU's kernels, one file per family; importing this registers them all (none compiles)."""

from __future__ import annotations

from dask_horn.kernels.cpu import (  # noqa: F401  (imported to register their kernels)
    activations,
    convolution,
    dropconnect,
    dropconnect_masks,
    dropout,
    embedding,
    encodings,
    gather,
    gemm,
    gru,
    losses,
    lstm,
    normalization,
    optimizers,
    pooling,
    recurrent,
    simple_rnn,
)
