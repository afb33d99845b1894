"""From a network, and the share of each unit axis that a sub-model holds, to its program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels.device import Device, MissingKernelError
from dask_horn.kernels.program import Operation, Program
from dask_horn.network import HUBER_DELTA, OUTPUT, Network, ParameterTable, PlacedLayer
from dask_horn.program import (  # noqa: F401  (imported to register the layers' emitters)
    convolution,
    dropconnect,
    dropout,
    embedding,
    encodings,
    flatten,
    normalization,
    pooling,
    recurrent,
)
from dask_horn.program.assembler import Assembler
from dask_horn.program.encodings import emit_widening, encoded_width
from dask_horn.program.layers import EMITTERS, Context, EmittedLayer, Emitter
from dask_horn.program.optimizers import Optimizer, Update
from dask_horn.program.padding import counted_rows, emit_padding, reserve_counted

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
    device: Device,
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
    device : Device
        Where it will run.
    batch_size : int
        The most samples that a batch may have.
    sample_dtype : str
        Of the blocks that samples are gathered from.
    optimizer : Optimizer
    class_weights : ndarray of float32, (n_outputs,), optional
        Factor on each class' loss, for the cross entropy; ones by default.
    """
    assembler = Assembler(table.size, batch_size, device)
    update = Update.plan(assembler, table, optimizer)
    lengths = table.axis_lengths
    largest = max(placed.outputs.restricted(lengths).size for placed in network.placed)
    scratch = (assembler.batch_buffer(largest), assembler.batch_buffer(largest))
    context = Context(
        assembler,
        table,
        scales,
        update,
        scratch,
        counted=reserve_counted(network, assembler),
        encoded_width=encoded_width(network.placed),
    )
    samples = _emit_gather(network, context, sample_dtype)
    layers = _emit_forward(network.placed, context, samples)
    _emit_loss(network, context, layers[-1].output, class_weights)
    first_trained = next(i for i, placed in enumerate(network.placed) if placed.trains)
    gradient = scratch[0]
    for i in range(len(layers) - 1, first_trained - 1, -1):
        gradient = layers[i].backward(gradient, to_input=i > first_trained)
    update.emit_rest()
    return assembler.program(network.output_rows * network.n_outputs)


def prediction_program(
    network: Network,
    statistics: NDArray[np.float32] | None = None,
    *,
    device: Device,
    batch_size: int,
    sample_dtype: str,
    n_layers: int | None = None,
) -> Program:
    """Gather, forward, and store the outputs of one batch of the undivided network.

    With `n_layers`, from 0 on, those of the last one of so many layers: what the next one takes.
    `statistics` are laid out as `Network.statistics` tells; None where that table is empty, or the
    values do not matter.
    """
    assembler = Assembler(network.parameters.size, batch_size, device)
    if statistics is None:
        statistics = np.ones(network.statistics.size, np.float32)
    start = assembler.filled_buffer(statistics) if statistics.size else 0
    places = _places(network, start)
    placed_layers = network.placed[:n_layers]
    context = _without_update(network, assembler, places, placed_layers, predicts=True)
    samples = _emit_gather(network, context, sample_dtype)
    layers = _emit_forward(placed_layers, context, samples)
    n_outputs = placed_layers[-1].outputs.size if placed_layers else network.n_inputs
    stored = layers[-1].output if placed_layers else samples
    assembler.emit(Operation("store", n_out=n_outputs), (stored,))
    return assembler.program(n_outputs)


def statistics_program(
    network: Network, *, device: Device, batch_size: int, sample_dtype: str
) -> Program:
    """Gather, forward as in training but without dropout, and store the batch's statistics.

    They are those of the undivided network, laid out as `Network.statistics` tells; variances are
    the batch's own, not unbiased.
    """
    assembler = Assembler(network.parameters.size, batch_size, device)
    size = network.statistics.size
    found = assembler.buffer(size)
    places = _places(network, found)
    context = _without_update(network, assembler, places, network.placed, predicts=False)
    samples = _emit_gather(network, context, sample_dtype)
    _emit_forward(network.placed, context, samples)
    assembler.emit(Operation("store_once", n_out=size), (found,))
    return assembler.program(size)


def _without_update(
    network: Network,
    assembler: Assembler,
    places: Mapping[str, int],
    placed_layers: Sequence[PlacedLayer],
    *,
    predicts: bool,
) -> Context:
    """Return what the rows of a program over these layers of the undivided network refer to."""
    return Context(
        assembler=assembler,
        table=network.parameters,
        scales={},
        update=None,
        scratch=(0, 0),
        statistics=places,
        predicts=predicts,
        counted=reserve_counted(network, assembler),
        encoded_width=encoded_width(placed_layers),
    )


def _places(network: Network, start: int) -> dict[str, int]:
    """Return the offset of each of the statistics, which lie at `start`."""
    return {name: start + tensor.offset for name, tensor in network.statistics.items()}


def _emit_gather(network: Network, context: Context, sample_dtype: str) -> int:
    """Write the gather; return where the samples will lie."""
    samples = context.assembler.batch_buffer(network.n_inputs)
    context.assembler.emit(Operation(f"gather_{sample_dtype}", network.n_inputs), (samples,))
    emit_padding(network, context, sample_dtype, samples)
    return emit_widening(network, context, samples)


def _emit_forward(
    placed_layers: Sequence[PlacedLayer], context: Context, samples: int
) -> list[EmittedLayer]:
    """Write the forward rows of every layer."""
    emitted: list[EmittedLayer] = []
    source = samples
    for stream, placed in enumerate(placed_layers):
        try:
            emitted.append(_emitter(placed)(context, placed, source, stream))
        except MissingKernelError:
            kind, device = type(placed.layer).__name__, context.assembler.device.name
            raise MissingKernelError(
                f"{kind} has no {device.upper()} kernels yet; use device='cpu'"
            ) from None
        source = emitted[-1].output
    return emitted


def _emit_loss(
    network: Network, context: Context, outputs: int, class_weights: NDArray[np.float32] | None
) -> None:
    """Write the loss of these outputs; its gradient goes to the first scratch buffer."""
    assembler = context.assembler
    n_targets = network.output_rows * (1 if network.loss == "cross_entropy" else network.n_outputs)
    targets = assembler.batch_buffer(n_targets)
    assembler.emit(Operation("gather_targets", n_out=n_targets), (targets,))
    if class_weights is None:
        class_weights = np.ones(network.n_outputs, np.float32)
    assembler.emit(
        Operation(network.loss, n_out=network.n_outputs, rows=network.output_rows),
        (
            outputs,
            targets,
            context.scratch[0],
            assembler.filled_buffer(class_weights),
            counted_rows(network, context),
        ),
        constant=assembler.constants(HUBER_DELTA),
    )


def _emitter(placed: PlacedLayer) -> Emitter:
    kind = type(placed.layer)
    if kind not in EMITTERS:
        raise TypeError(f"no program is known for layers of type {kind.__name__}")
    return EMITTERS[kind]
