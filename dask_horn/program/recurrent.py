"""The rows of a recurrent layer: all steps by W, the loop over steps, and the ways back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dask_horn.kernels.program import Operation
from dask_horn.network import GRU, LSTM, PlacedLayer, Recurrent, SimpleRNN, TensorSpec
from dask_horn.program.layers import Context, emits
from dask_horn.program.masks import Masks, draw_masks, keep_of_mask, keeping
from dask_horn.program.padding import counted_of

# Numbers of each unit and step that are kept besides the gates: the cell; the sums of h U.
_N_EXTRA = {"lstm": 1, "gru": 3}


@dataclass(frozen=True)
class _StateMatrix:
    """U as the loops over steps read it; offsets count from the arena's start.

    With DropConnect, in training, it is what a mask of the whole batch keeps of U, or U itself and
    a mask for each sample.
    """

    offset: int
    mask: Masks | None
    each_sample: bool = False  # whether each has a mask of its own

    @classmethod
    def plan(
        cls, context: Context, layer: Recurrent, tensor: TensorSpec, stream: int
    ) -> _StateMatrix:
        """Write the rows that draw masks, where the layer has them."""
        if layer.dropconnect == 0 or not context.trains:
            return cls(tensor.offset, None)
        shape = _matrix_shape(tensor)
        if layer.dropconnect_mask == "example":
            user = Operation(f"{_kernel(layer)}_forward_masked", n_out=shape[0])
            mask = draw_masks(context, layer, shape, stream, user=user)
            return cls(tensor.offset, mask, each_sample=True)
        mask = draw_masks(context, layer, shape, stream, user=keeping(shape))
        kept = context.assembler.buffer(tensor.size)
        keep_of_mask(context, tensor.offset, kept, mask, shape)
        return cls(kept, mask)

    @property
    def mask_offset(self) -> int:
        """Offset of the masks; 0 where there are none."""
        return 0 if self.mask is None else self.mask.offset

    @property
    def suffix(self) -> str:
        """The end of the loops' kernels' names."""
        return "_masked" if self.each_sample else ""


@dataclass(frozen=True)
class EmittedRecurrent:
    """A recurrent layer in a program; offsets count from the arena's start."""

    context: Context
    layer: Recurrent
    kernel: str  # its kernels' names begin so
    weight: TensorSpec
    recurrent: TensorSpec
    matrix: _StateMatrix
    steps: int
    scales: int  # index of c of W among the scalars; that of U, over p, follows
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
        kernel, sizes = f"{self.kernel}_backward{self.matrix.suffix}", (self.each_step,)
        assembler.emit(
            Operation(kernel, n_out=units, rows=self.steps, sizes=sizes),
            (
                gradient,
                self.sums,
                self.matrix.offset,
                self.counted,
                self.extra,
                self.before,
                self._bias_gradient(),
                self.matrix.mask_offset,
            ),
            constant=self.scales,
        )
        below = gradient
        if to_input:
            below = context.other_scratch(gradient)
            operands = (self.sums, self.weight.offset, below)
            self._emit_over_steps("steps_input", n_in, operands, self.scales)
        own = context.kept_gradient(self.weight.name)
        self._emit_over_steps("steps_weight", n_in, (self.input, self.sums, own), self.scales)
        self._emit_state_product()
        return below

    def _emit_state_product(self) -> None:
        """Write the product over all steps that is the gradient of U."""
        shape, matrix = _matrix_shape(self.recurrent), self.matrix
        gradient = self.context.kept_gradient(self.recurrent.name)
        of_h = self.extra if self.layer.kind == "gru" else self.sums
        operands, scale = (self.before, of_h, gradient), self.scales + 1
        if matrix.each_sample:
            self._emit_over_steps(
                "steps_kept_weight", shape[0], (*operands, matrix.mask_offset), scale
            )
            return
        self._emit_over_steps("steps_weight", shape[0], operands, scale)
        if matrix.mask is not None:
            keep_of_mask(self.context, gradient, gradient, matrix.mask, shape)

    def _emit_over_steps(
        self, kernel: str, n_in: int, operands: tuple[int, ...], scale: int
    ) -> None:
        """Write a product over all steps, of matrices n_in and gates · units wide."""
        n_out = self.weight.size // self.weight.shape[0]
        self.context.assembler.emit(
            Operation(kernel, n_in, n_out, self.steps), operands, constant=scale
        )

    @property
    def each_step(self) -> int:
        """1 where the state after each step is an output, else 0."""
        return int(self.layer.return_sequences)

    def _bias_gradient(self) -> int:
        """Return where the bias' gradient goes: into a spare place where there is no bias."""
        name = f"{self.layer.given_name}/b"
        if self.layer.use_bias:
            return self.context.kept_gradient(name)
        return self.context.assembler.spare(len(self.layer.initial_biases) * self.weight.shape[-1])


@emits(SimpleRNN, LSTM, GRU)
def emit_recurrent(
    context: Context, placed: PlacedLayer, source: int, stream: int
) -> EmittedRecurrent:
    """Write the forward rows of a recurrent layer; see `Emitter`."""
    layer, assembler = placed.layer, context.assembler
    assert isinstance(layer, Recurrent)
    name, steps = layer.given_name, placed.inputs.rows
    weight, recurrent = context.table[f"{name}/W"], context.table[f"{name}/U"]
    n_in, n_gates, units = weight.shape
    n_extra = _N_EXTRA.get(layer.kind, 0)
    kept_steps = steps if context.trains else 1
    matrix = _StateMatrix.plan(context, layer, recurrent, stream)
    keep_probability = layer.keep_probability if matrix.mask is not None else 1.0
    emitted = EmittedRecurrent(
        context,
        layer,
        kernel=_kernel(layer),
        weight=weight,
        recurrent=recurrent,
        matrix=matrix,
        steps=steps,
        scales=assembler.constants(
            context.scales.get(weight.name, 1.0),
            context.scales.get(recurrent.name, 1.0) / keep_probability,
        ),
        input=source,
        sums=assembler.batch_buffer(n_gates * units, steps),
        extra=assembler.batch_buffer(n_extra * units, kept_steps),
        before=assembler.batch_buffer(units, kept_steps),
        counted=counted_of(context, steps),
        output=assembler.batch_buffer(units, placed.outputs.rows),
    )
    assembler.emit(
        Operation("gemm_forward", n_in, n_gates * units, steps),
        (source, weight.offset, emitted.sums),
    )
    kernel, sizes = f"{emitted.kernel}_forward{matrix.suffix}", (emitted.each_step, context.trains)
    assembler.emit(
        Operation(kernel, n_out=units, rows=steps, sizes=sizes),
        (
            emitted.sums,
            _bias(context, layer, units),
            matrix.offset,
            emitted.counted,
            emitted.extra,
            emitted.before,
            emitted.output,
            matrix.mask_offset,
        ),
        constant=emitted.scales,
    )
    return emitted


def _kernel(layer: Recurrent) -> str:
    """Return how the names of the layer's kernels begin."""
    return f"{layer.kind}_{layer.activation}" if isinstance(layer, SimpleRNN) else layer.kind


def _bias(context: Context, layer: Recurrent, units: int) -> int:
    """Return where the bias lies: zeros where there is none."""
    if layer.use_bias:
        return context.table[f"{layer.given_name}/b"].offset
    return context.assembler.filled_buffer(np.zeros(len(layer.initial_biases) * units, np.float32))


def _matrix_shape(recurrent: TensorSpec) -> tuple[int, int]:
    """Return U's shape as a matrix: units, and the sums of all gates."""
    units, n_gates, _ = recurrent.shape
    return units, n_gates * units
