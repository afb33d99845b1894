"""The rows of a recurrent layer: all steps by W, the loop over steps, and the ways back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dask_horn.kernels.cpu.recurrent import loop_work_size, product_work_size
from dask_horn.network import GRU, Recurrent, SimpleRNN, Stage, TensorSpec
from dask_horn.program.dense import work_of
from dask_horn.program.layers import Context
from dask_horn.program.padding import counted_of

__all__ = ["EmittedRecurrent", "emit_recurrent"]

# Numbers of each unit and step that are kept besides the gates: the cell; the sums of h U.
_N_EXTRA = {"lstm": 1, "gru": 3}


@dataclass(frozen=True)
class EmittedRecurrent:
    """A recurrent layer in a program; offsets count from the arena's start."""

    context: Context
    layer: Recurrent
    kernel: str  # its kernels' names begin so
    weight: TensorSpec
    recurrent: TensorSpec
    steps: int
    scales: int  # index of c of W among the scalars; that of U follows
    input: int
    sums: int  # (batch, steps, gates, units): x W, then gates, then the gradient of x W
    extra: int  # (batch, steps, extra, units): what else the cell keeps
    before: int  # (batch, steps, units): the states before each step
    counted: int  # (batch, steps): 0 where a step is padding
    output: int

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Write the loop back over the steps, then the products over all of them."""
        context, assembler = self.context, self.context.assembler
        n_in, _, units = self.weight.shape
        assembler.emit(
            f"{self.kernel}_backward",
            n_out=units,
            rows=self.steps,
            operands=(
                *(gradient, self.sums, self.recurrent.offset, self.counted, self.extra),
                *(self.before, self._bias_gradient(), loop_work(self.context, self.weight)),
            ),
            constant=self.scales,
            sizes=(self.layer.return_sequences,),
        )
        below = gradient
        if to_input:
            below = context.other_scratch(gradient)
            operands = (self.sums, self.weight.offset, below)
            self._emit_product("steps_input", n_in, operands, self.scales)
        of_h = self.extra if self.layer.kind == "gru" else self.sums
        for tensor, source, sums, scale in (
            (self.weight, self.input, self.sums, self.scales),
            (self.recurrent, self.before, of_h, self.scales + 1),
        ):
            operands = (source, sums, context.kept_gradient(tensor.name))
            self._emit_product("steps_weight", tensor.shape[0], operands, scale)
        return below

    def _emit_product(
        self, kernel: str, n_in: int, operands: tuple[int, int, int], scale: int
    ) -> None:
        """Write one of the products over all steps, of matrices n_in and gates · units wide."""
        _, n_gates, units = self.weight.shape
        assembler = self.context.assembler
        assembler.emit(
            kernel,
            n_in=n_in,
            n_out=n_gates * units,
            rows=self.steps,
            operands=(*operands, assembler.work_space(product_work_size(n_in, n_gates * units))),
            constant=scale,
        )

    def _bias_gradient(self) -> int:
        """Return where the bias' gradient goes: into a spare place where there is no bias."""
        name = f"{self.layer.given_name}/b"
        if self.layer.use_bias:
            return self.context.kept_gradient(name)
        return self.context.assembler.buffer(n_biases(self.layer) * self.weight.shape[-1])


def emit_recurrent(context: Context, stage: Stage, source: int, stream: int) -> EmittedRecurrent:
    """Write the forward rows of a recurrent layer; see `Emitter`."""
    layer, assembler = stage.layer, context.assembler
    assert isinstance(layer, Recurrent)
    name, steps = layer.given_name, stage.inputs.rows
    weight, recurrent = context.table[f"{name}/W"], context.table[f"{name}/U"]
    n_in, n_gates, units = weight.shape
    n_extra = _N_EXTRA.get(layer.kind, 0)
    kept_steps = steps if context.trains else 1
    emitted = EmittedRecurrent(
        context,
        layer,
        kernel=f"{layer.kind}_{layer.activation}" if isinstance(layer, SimpleRNN) else layer.kind,
        weight=weight,
        recurrent=recurrent,
        steps=steps,
        scales=assembler.constants(
            *(context.scales.get(tensor.name, 1.0) for tensor in (weight, recurrent))
        ),
        input=source,
        sums=assembler.batch_buffer(n_gates * units, steps),
        extra=assembler.batch_buffer(n_extra * units, kept_steps),
        before=assembler.batch_buffer(units, kept_steps),
        counted=counted_of(context, steps),
        output=assembler.batch_buffer(units, stage.outputs.rows),
    )
    assembler.emit(
        "gemm_forward",
        n_in=n_in,
        n_out=n_gates * units,
        rows=steps,
        operands=(
            *(source, weight.offset, emitted.sums),
            work_of(context, weight, steps, to_input=False),
        ),
    )
    assembler.emit(
        f"{emitted.kernel}_forward",
        n_out=units,
        rows=steps,
        operands=(
            *(emitted.sums, _bias(context, layer, units), recurrent.offset, emitted.counted),
            *(emitted.extra, emitted.before, emitted.output, loop_work(context, weight)),
        ),
        constant=emitted.scales,
        sizes=(layer.return_sequences, context.trains),
    )
    return emitted


def n_biases(layer: Recurrent) -> int:
    """Return how many biases a unit has."""
    return 4 if isinstance(layer, GRU) else layer.n_gates


def _bias(context: Context, layer: Recurrent, units: int) -> int:
    """Return where the bias lies: zeros where there is none."""
    if layer.use_bias:
        return context.table[f"{layer.given_name}/b"].offset
    return context.assembler.filled_buffer(np.zeros(n_biases(layer) * units, np.float32))


def loop_work(context: Context, weight: TensorSpec) -> int:
    """Ask for the work space of a loop over steps."""
    _, n_gates, units = weight.shape
    assembler = context.assembler
    return assembler.work_space(loop_work_size(assembler.batch_size, units, n_gates))
