"""Which steps of the samples count: found once for a batch, for all layers and the loss."""

from __future__ import annotations

import numpy as np

from dask_horn.kernels.program import Operation
from dask_horn.network import Network
from dask_horn.program.assembler import Assembler
from dask_horn.program.layers import Context


def reserve_counted(network: Network, assembler: Assembler) -> int | None:
    """Reserve the buffer that tells padding from steps, where samples may have padding."""
    return None if network.mask_value is None else assembler.batch_buffer(network.input_shape[0])


def emit_padding(network: Network, context: Context, sample_dtype: str, samples: int) -> None:
    """Write the row that finds the padding in the gathered samples, where there may be any."""
    value = network.mask_value
    if context.counted is None or value is None:
        return
    if sample_dtype == "float32":  # the value as it is in the data
        value = float(np.float32(value))
    context.assembler.emit(
        Operation(f"mask_{sample_dtype}", network.n_inputs, rows=network.input_shape[0]),
        (context.counted, samples),
        constant=context.assembler.constants(value),
    )


def counted_of(context: Context, steps: int) -> int:
    """Return which of so many steps of each sample count: those that are no padding, or all."""
    if context.counted is not None:
        return context.counted
    size = context.assembler.batch_size * steps
    return context.assembler.filled_buffer(np.ones(size, np.float32))


def counted_rows(network: Network, context: Context) -> int:
    """Return which rows of the output count in the loss: steps that do, or every sample."""
    if network.output_rows > 1:
        return counted_of(context, network.output_rows)
    return context.assembler.filled_buffer(np.ones(context.assembler.batch_size, np.float32))
