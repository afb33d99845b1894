"""Programs that stop on the way: layers of a network, forward, backward and update apart.

What travels between workers in the baselines is what lies in the arena between two of these
phases: gradients of parameters, or activations and their gradients. The rows are the plainest
that there are, so that all baselines share them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data import Standardizer
from dask_horn.kernels import opcodes as op
from dask_horn.kernels.cpu.gemm import work_size
from dask_horn.network import Dense, Network, ParameterTable
from dask_horn.program import Execution, Optimizer, Program
from dask_horn.program.assembler import Assembler

__all__ = ["FORWARD", "Machine", "Part", "part_of"]

FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"


@dataclass(frozen=True, eq=False)
class Part:
    """Some successive layers of a network as a program in phases.

    Offsets count float32 elements from the arena's start.

    Attributes
    ----------
    program : Program
        All rows.
    phases : mapping of str to slice
        The rows of the phases forward (with the loss, where the output is among the layers),
        backward and update.
    first_parameter : int
        Where the layers' parameters begin in the network's vector.
    gradients : int
        Offset of the parameters' gradients.
    input, output : int
        Offsets of the first layer's input and of the last layer's output.
    input_gradient, output_gradient : int
        Offsets of the loss' gradients with respect to them; that of the output is written by the
        loss where the output layer is among them, else from outside.
    n_in, n_out : int
        Widths of input and output.
    """

    program: Program
    phases: Mapping[str, slice]
    first_parameter: int
    gradients: int
    input: int
    output: int
    input_gradient: int
    output_gradient: int
    n_in: int
    n_out: int


def part_of(
    network: Network,
    layers: range,
    *,
    batch_size: int,
    sample_dtype: str,
    optimizer: Optimizer,
) -> Part:
    """Write the program of the layers of `network` whose numbers are in `layers`.

    Raises
    ------
    TypeError
        If one of the layers is not `Dense`.
    """
    dense = [_dense(network.placed[i].layer) for i in layers]
    whole = [[network.parameters[name] for name in _tensors(layer)] for layer in dense]
    table = ParameterTable.lay_out(tensor for tensors in whole for tensor in tensors)
    assembler = _Rows(table.size, batch_size)
    buffers = _Buffers.reserve(assembler, table, dense)
    values, slopes, gradients = buffers.values, buffers.slopes, buffers.gradients
    widths = buffers.widths
    if layers.start == 0:
        assembler.emit(f"gather_{sample_dtype}", n_in=widths[0], operands=(values[0],))
    for i in range(len(dense)):
        _emit_layer_forward(assembler, table, dense[i], buffers, i)
    if layers.stop == len(network.layers):
        _emit_loss(network, assembler, values[-1], slopes[-1])
    forward = assembler.n_rows
    for i in reversed(range(len(dense))):
        to_input = layers.start + i > 0
        _emit_layer_backward(assembler, table, dense[i], buffers, i, to_input)
    backward = assembler.n_rows
    _emit_update(assembler, table, optimizer, gradients)
    return Part(
        program=assembler.program(widths[-1]),
        phases={
            FORWARD: slice(0, forward),
            BACKWARD: slice(forward, backward),
            UPDATE: slice(backward, None),
        },
        first_parameter=whole[0][0].offset,
        gradients=gradients,
        input=values[0],
        output=values[-1],
        input_gradient=slopes[0],
        output_gradient=slopes[-1],
        n_in=widths[0],
        n_out=widths[-1],
    )


@dataclass(frozen=True)
class _Buffers:
    """Where a part's batches lie in the arena.

    Attributes
    ----------
    widths : list of int
        Of the first layer's input, and of every layer's output.
    values, slopes : list of int
        Offsets of what has these widths, (batch, width), and of the loss' gradients.
    gradients : int
        Offset of the parameters' gradients.
    no_bias, spare : int
        Offsets of zeros, and of where their gradients go, for layers without a bias.
    work : int
        Offset of the products' work space.
    one : int
        Index of the constant 1.
    """

    widths: list[int]
    values: list[int]
    slopes: list[int]
    gradients: int
    no_bias: int
    spare: int
    work: int
    one: int

    @classmethod
    def reserve(
        cls, assembler: Assembler, table: ParameterTable, dense: Sequence[Dense]
    ) -> _Buffers:
        """Reserve them all."""
        shapes = [table[f"{layer.name}/W"].shape for layer in dense]
        widths = [shapes[0][0], *(shape[1] for shape in shapes)]
        work = max(
            work_size(assembler.batch_size, *shape, trains=True, to_input=True) for shape in shapes
        )
        return cls(
            widths=widths,
            gradients=assembler.buffer(table.size),
            values=[assembler.batch_buffer(width) for width in widths],
            slopes=[assembler.batch_buffer(width) for width in widths],
            no_bias=assembler.buffer(max(widths)),
            spare=assembler.buffer(max(widths)),
            work=assembler.buffer(work),
            one=assembler.constants(1.0),
        )


def _emit_layer_forward(
    assembler: Assembler, table: ParameterTable, layer: Dense, buffers: _Buffers, i: int
) -> None:
    """Write the product and the activation of layer number `i`."""
    n_in, n_out = buffers.widths[i : i + 2]
    source, out = buffers.values[i : i + 2]
    bias = table[f"{layer.name}/b"].offset if layer.use_bias else buffers.no_bias
    operands = (source, table[f"{layer.name}/W"].offset, out, buffers.work)
    assembler.emit("gemm_forward", n_in=n_in, n_out=n_out, operands=operands)
    assembler.emit(
        f"{layer.activation}_forward",
        n_out=n_out,
        operands=(out, bias, out),
        constant=buffers.one,
    )


def _emit_layer_backward(
    assembler: Assembler,
    table: ParameterTable,
    layer: Dense,
    buffers: _Buffers,
    i: int,
    to_input: bool,
) -> None:
    """Write the gradients of layer number `i`."""
    n_in, n_out = buffers.widths[i : i + 2]
    source, out = buffers.values[i : i + 2]
    below, slope = buffers.slopes[i : i + 2]
    weight = table[f"{layer.name}/W"].offset
    bias = buffers.spare
    if layer.use_bias:
        bias = buffers.gradients + table[f"{layer.name}/b"].offset
    assembler.emit(
        f"{layer.activation}_backward",
        n_out=n_out,
        operands=(slope, out, bias),
        constant=buffers.one,
    )
    operands = (source, slope, buffers.gradients + weight, buffers.work)
    assembler.emit("gemm_weight", n_in=n_in, n_out=n_out, operands=operands)
    if to_input:
        operands = (slope, weight, below, buffers.work)
        assembler.emit("gemm_input", n_in=n_in, n_out=n_out, operands=operands)


class Machine(Execution):
    """A part with its arena, run phase by phase.

    Parameters
    ----------
    part : Part
    parameters : ndarray of float32
        Of the whole network.
    standardizer : Standardizer
    """

    def __init__(
        self, part: Part, parameters: NDArray[np.float32], standardizer: Standardizer
    ) -> None:
        own = parameters[part.first_parameter :][: part.program.n_parameters]
        super().__init__(part.program, own, standardizer.mean, standardizer.scale)
        self.part = part
        self._programs = {
            phase: dataclasses.replace(part.program, rows=part.program.rows[rows])
            for phase, rows in part.phases.items()
        }

    @property
    def gradients(self) -> NDArray[np.float32]:
        """The parameters' gradients: a view of the arena."""
        return self._arena[self.part.gradients :][: self.part.program.n_parameters]

    def batch(self, offset: int, n_rows: int, width: int) -> NDArray[np.float32]:
        """Return a batch at an offset, (n_rows, width): a view of the arena."""
        return self._arena[offset:][: n_rows * width].reshape(n_rows, width)

    def forward(
        self,
        samples: Sequence[NDArray[Any]],
        targets: Sequence[NDArray[np.float32]],
        entries: NDArray[np.int64],
    ) -> float:
        """Do the forward phase with the rows that `entries` name; return the loss, if any.

        `entries` are ``(block << 32) | row``, as for `Execution.train`.
        """
        self.program = self._programs[FORWARD]
        one_batch = np.array([0, entries.size])
        return float(self.train(samples, targets, entries, one_batch, np.zeros(1))[0])

    def backward(self, n_rows: int) -> None:
        """Do the backward phase of a batch of so many rows."""
        self.program = self._programs[BACKWARD]
        entries = np.zeros(n_rows, np.int64)
        self.train([], [], entries, np.array([0, n_rows]), np.zeros(1))

    def update(self, step: int, rate: float) -> None:
        """Let the optimizer take a step, the first of which is number 0."""
        self.program = self._programs[UPDATE]
        self._counters[op.STEP] = step  # the other phases have counted too
        self.train([], [], np.zeros(1, np.int64), np.array([0, 1]), np.array([rate]))


class _Rows(Assembler):
    """An assembler that tells how many rows it has."""

    @property
    def n_rows(self) -> int:
        return len(self._rows)


def _dense(layer: Any) -> Dense:
    if not isinstance(layer, Dense):
        raise TypeError(f"baselines train networks of Dense layers, got {layer!r}")
    return layer


def _tensors(layer: Dense) -> list[str]:
    return [f"{layer.name}/W"] + [f"{layer.name}/b"] * layer.use_bias


def _emit_loss(network: Network, assembler: Assembler, outputs: int, gradient: int) -> None:
    """Write the rows of targets and loss."""
    n_targets = 1 if network.loss == "cross_entropy" else network.n_outputs
    targets = assembler.batch_buffer(n_targets)
    class_weights = assembler.filled_buffer(np.ones(network.n_outputs, np.float32))
    counted = assembler.filled_buffer(np.ones(assembler.batch_size, np.float32))
    assembler.emit("gather_targets", n_out=n_targets, operands=(targets,))
    assembler.emit(
        network.loss,
        n_out=network.n_outputs,
        operands=(outputs, targets, gradient, class_weights, counted),
        constant=assembler.constants(1.0),
    )


def _emit_update(
    assembler: Assembler, table: ParameterTable, optimizer: Optimizer, gradients: int
) -> None:
    """Write a row for each tensor: weights decay, biases do not."""
    states = [assembler.buffer(table.size) for _ in range(optimizer.n_state_vectors)]
    for tensor in table.tensors:
        decay = optimizer.weight_decay * tensor.decays
        if optimizer.name == "sgd":
            constant = assembler.constants(optimizer.momentum, optimizer.nesterov, decay)
        else:
            constant = assembler.constants(optimizer.momentum, 0.999, 1e-8, decay)
        operands = [start + tensor.offset for start in (0, gradients, *states)]
        assembler.emit(optimizer.name, n_out=tensor.size, operands=operands, constant=constant)
