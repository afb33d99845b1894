"""From a network, and the share of each unit axis that a sub-model holds, to its program."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dask_horn.network import (
    GRU,
    LSTM,
    OUTPUT,
    AveragePool2D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool2D,
    Layer,
    MaxPool2D,
    Network,
    ParameterTable,
    SimpleRNN,
    Stage,
)
from dask_horn.program.assembler import Assembler, Program
from dask_horn.program.convolution import emit_conv2d
from dask_horn.program.dense import emit_dense, fused_weights
from dask_horn.program.dropout import emit_dropout
from dask_horn.program.embedding import emit_embedding
from dask_horn.program.flatten import emit_flatten
from dask_horn.program.layers import Context, EmittedLayer, Emitter
from dask_horn.program.optimizers import Optimizer, Update
from dask_horn.program.pooling import (
    emit_average_pool,
    emit_global_average_pool,
    emit_max_pool,
)
from dask_horn.program.recurrent import counted_of, emit_recurrent

__all__ = ["PREDICTION_BATCH", "prediction_program", "submodel_scales", "training_program"]

# The one place that knows the programs of all layers.
_EMITTERS: dict[type[Layer], Emitter] = {
    AveragePool2D: emit_average_pool,
    Conv2D: emit_conv2d,
    Dense: emit_dense,
    Dropout: emit_dropout,
    Embedding: emit_embedding,
    SimpleRNN: emit_recurrent,
    LSTM: emit_recurrent,
    GRU: emit_recurrent,
    Flatten: emit_flatten,
    GlobalAveragePool2D: emit_global_average_pool,
    MaxPool2D: emit_max_pool,
}

#: Rows that are predicted together: enough for the products' full speed.
PREDICTION_BATCH = 64


def submodel_scales(
    network: Network, fractions: Mapping[str, float], hidden_exponent: float
) -> dict[str, float]:
    """Find the factor ``c = p^-a`` on the products of each tensor whose source axis is divided.

    Parameters
    ----------
    network : Network
    fractions : mapping of str to float
        p of each divided axis: the share of its units that the sub-model holds.
    hidden_exponent : float
        a_h, between hidden layers. At the output layer a = 1: the parent's logits are then the
        sub-models' mean.
    """
    scales = {}
    for tensor in network.parameters.tensors:
        if tensor.source is not None and tensor.source in fractions:
            exponent = 1.0 if tensor.axes[-1] == OUTPUT else hidden_exponent
            scales[tensor.name] = fractions[tensor.source] ** -exponent
    return scales


def training_program(
    network: Network,
    table: ParameterTable,
    scales: Mapping[str, float],
    *,
    batch_size: int,
    sample_dtype: str,
    optimizer: Optimizer,
    class_weights: NDArray[np.float32] | None = None,
) -> Program:
    """Gather, forward, loss, backward and update of one batch.

    Parameters
    ----------
    network : Network
    table : ParameterTable
        The sub-model's own parameters, `network.parameters` or a restriction of it.
    scales : mapping of str to float
        As `submodel_scales` gives them.
    batch_size : int
        The most samples that a batch may have.
    sample_dtype : str
        Of the blocks that samples are gathered from.
    optimizer : Optimizer
    class_weights : ndarray of float32, (n_outputs,), optional
        Factor on each class' loss, for the cross entropy; ones by default.
    """
    assembler = Assembler(table.size, batch_size)
    update = Update.plan(assembler, table, optimizer, fused_weights(network.stages))
    lengths = table.axis_lengths
    largest = max(stage.outputs.restricted(lengths).size for stage in network.stages)
    scratch = (assembler.batch_buffer(largest), assembler.batch_buffer(largest))
    counted = _counted_steps(network, assembler)
    context = Context(assembler, table, scales, update, scratch, counted)
    n_targets = network.output_rows * (1 if network.loss == "cross_entropy" else network.n_outputs)
    targets = assembler.batch_buffer(n_targets)
    assembler.emit("gather_targets", n_out=n_targets, operands=(targets,))
    layers = _emit_forward(network, context, sample_dtype)
    if class_weights is None:
        class_weights = np.ones(network.n_outputs, np.float32)
    assembler.emit(
        network.loss,
        n_out=network.n_outputs,
        rows=network.output_rows,
        operands=(
            layers[-1].output,
            targets,
            scratch[0],
            assembler.filled_buffer(class_weights),
            _counted_rows(network, context),
        ),
        constant=assembler.constants(1.0),  # δ of the Huber loss, on standardized targets
    )
    first_trained = min(i for i, stage in enumerate(network.stages) if stage.tensors)
    gradient = scratch[0]
    for i in range(len(layers) - 1, first_trained - 1, -1):
        gradient = layers[i].backward(gradient, to_input=i > first_trained)
    update.emit_rest()
    return assembler.program(network.output_rows * network.n_outputs, update.states)


def prediction_program(network: Network, *, batch_size: int, sample_dtype: str) -> Program:
    """Gather, forward, and store the outputs of one batch of the undivided network."""
    assembler = Assembler(network.parameters.size, batch_size)
    counted = _counted_steps(network, assembler)
    context = Context(assembler, network.parameters, {}, None, (0, 0), counted)
    layers = _emit_forward(network, context, sample_dtype)
    n_outputs = network.output_rows * network.n_outputs
    assembler.emit("store", n_out=n_outputs, operands=(layers[-1].output,))
    return assembler.program(n_outputs)


def _counted_steps(network: Network, assembler: Assembler) -> int | None:
    """Reserve what tells padding from steps, where samples have padding."""
    return None if network.mask_value is None else assembler.batch_buffer(network.input_shape[0])


def _counted_rows(network: Network, context: Context) -> int:
    """Return which rows of the output count in the loss."""
    if network.output_rows > 1:
        return counted_of(context, network.output_rows)
    return context.assembler.filled_buffer(np.ones(context.assembler.batch_size, np.float32))


def _emit_mask(network: Network, context: Context, sample_dtype: str, samples: int) -> None:
    """Write the row that finds the padding."""
    assert context.counted is not None
    assert network.mask_value is not None
    value = network.mask_value
    if sample_dtype == "float32":  # the value as it is in the data
        value = float(np.float32(value))
    context.assembler.emit(
        f"mask_{sample_dtype}",
        n_in=network.n_inputs,
        rows=network.input_shape[0],
        operands=(context.counted, samples),
        constant=context.assembler.constants(value),
    )


def _emit_forward(network: Network, context: Context, sample_dtype: str) -> list[EmittedLayer]:
    """Write the gather and the forward rows of every layer."""
    samples = context.assembler.batch_buffer(network.n_inputs)
    context.assembler.emit(f"gather_{sample_dtype}", n_in=network.n_inputs, operands=(samples,))
    if context.counted is not None:
        _emit_mask(network, context, sample_dtype, samples)
    emitted: list[EmittedLayer] = []
    source = samples
    for stream, stage in enumerate(network.stages):
        emitted.append(_emitter(stage)(context, stage, source, stream))
        source = emitted[-1].output
    return emitted


def _emitter(stage: Stage) -> Emitter:
    kind = type(stage.layer)
    if kind not in _EMITTERS:
        raise TypeError(f"no program is known for layers of type {kind.__name__}")
    return _EMITTERS[kind]
