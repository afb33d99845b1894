"""DropConnect's masks, drawn by the CPU and unpacked: other devices' are the same, bit for bit."""

from __future__ import annotations

import numpy as np

from dask_horn.kernels.device import device
from dask_horn.kernels.program import Operation
from tests.kernels.runner import run_kernel, running_on


def packed_masks(shape, keep_probability=0.5, mask="example", **draw):
    """The words of masks of this shape: examples, rows of the weight and the bias, columns."""
    n_examples, n_rows, n_columns = shape
    n_masks = n_examples if mask == "example" else 1
    words = np.zeros((-(-n_rows // 8), -(-n_columns // 64), n_masks, 16), np.float32)
    kernel = "dropconnect_masks" if mask == "example" else "dropconnect_mask"
    operation = Operation(kernel, n_rows, n_columns)
    with running_on(device("cpu")) as cpu:
        assert cpu.result_size(operation, n_examples) == words.size
        ran = run_kernel(
            kernel,
            words,
            batch=n_examples,
            n_in=n_rows,
            n_out=n_columns,
            constants=[256 * keep_probability],
            **draw,
        )
    return ran.buffers[0]


def unpacked(words, n_rows, n_columns):
    """Which weights are kept, (n_masks, n_rows, n_columns) of bool."""
    i, j = np.arange(n_rows)[:, None], np.arange(n_columns)
    own = words.view(np.uint32)[i // 8, j // 64, :, j % 16]
    place = 31 - (4 * (i % 8) + j % 64 // 16)
    return np.moveaxis(own >> place[..., None].astype(np.uint32) & 1, -1, 0).astype(bool)


def dropconnect_masks(shape, keep_probability=0.5, mask="example", **draw):
    """Which weights are kept, of bool in this shape, or of one mask that all examples share."""
    return unpacked(packed_masks(shape, keep_probability, mask, **draw), *shape[1:])
