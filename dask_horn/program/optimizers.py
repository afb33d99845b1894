"""The optimizers' settings, and their rows in a program."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from dask_horn.network import ParameterTable, TensorSpec
from dask_horn.program.assembler import Assembler

__all__ = ["OPTIMIZERS", "Optimizer", "Update"]

OPTIMIZERS = ("sgd", "adamw")

_STATE_VECTORS = {"sgd": 1, "adamw": 2}


@dataclass(frozen=True)
class Optimizer:
    """How a sub-model's parameters follow its gradients.

    Attributes
    ----------
    name : {"adamw", "sgd"}
    momentum : float
        Of sgd, in [0, 1); for adamw the first moment's decay β₁.
    nesterov : bool
        Whether sgd looks ahead.
    weight_decay : float
        Of the weights, never of the biases: decoupled for adamw, an L2 penalty for sgd.
    clip_norm : float or None
        Bound on the norm of the whole gradient; None leaves it alone.
    """

    name: str = "adamw"
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    clip_norm: float | None = None

    @property
    def n_state_vectors(self) -> int:
        """Vectors of the parameters' length that the optimizer keeps."""
        return _STATE_VECTORS[self.name]


@dataclass(frozen=True)
class Update:
    """Where a program's gradients go, and how parameters follow them.

    A weight is updated as its gradient is being computed, which then needs no memory; the other
    parameters have theirs kept until the end of the step. Where the gradient is clipped all of it
    is kept, for its norm must be known first.

    Attributes
    ----------
    assembler : Assembler
    table : ParameterTable
    optimizer : Optimizer
    gradients : mapping of str to int
        Offset of the gradient of each tensor that is kept.
    states : tuple of int
        Offsets of the optimizer's vectors, laid out like the parameters.
    """

    assembler: Assembler
    table: ParameterTable
    optimizer: Optimizer
    gradients: Mapping[str, int]
    states: tuple[int, ...]

    @classmethod
    def plan(
        cls, assembler: Assembler, table: ParameterTable, optimizer: Optimizer, fused: Set[str]
    ) -> Update:
        """Reserve the memory; `fused` are the tensors that `emit_weight` will be called with."""
        if optimizer.clip_norm is None:
            kept = [tensor for tensor in table.tensors if tensor.name not in fused]
            gradients = {tensor.name: assembler.buffer(tensor.size) for tensor in kept}
        else:
            vector = assembler.buffer(table.size)
            gradients = {tensor.name: vector + tensor.offset for tensor in table.tensors}
        states = tuple(assembler.buffer(table.size) for _ in range(optimizer.n_state_vectors))
        return cls(assembler, table, optimizer, gradients, states)

    def emit_weight(
        self,
        weight: TensorSpec,
        shape: tuple[int, int],
        rows: int,
        operands: tuple[int, int, int],
    ) -> None:
        """Emit the gradient ``source.T @ gradient`` of a weight, and its update if it is fused.

        Parameters
        ----------
        weight : TensorSpec
        shape : tuple of int
            The weight's as a matrix.
        rows : int
            Of each sample.
        operands : tuple of int
            Offsets of source, gradient and work space.
        """
        n_in, n_out = shape
        source, gradient, work = operands
        if weight.name in self.gradients:
            self.assembler.emit(
                "gemm_weight",
                n_in=n_in,
                n_out=n_out,
                rows=rows,
                operands=(source, gradient, self.gradients[weight.name], work),
            )
            return
        states = (offset + weight.offset for offset in self.states)
        self.assembler.emit(
            f"{self.optimizer.name}_weight",
            n_in=n_in,
            n_out=n_out,
            rows=rows,
            operands=(source, gradient, weight.offset, work, *states),
            constant=self._constants(weight),
        )

    def emit_rest(self) -> None:
        """Emit the update of all parameters whose gradients are kept."""
        if self.optimizer.clip_norm is not None:
            bound = self.assembler.constants(self.optimizer.clip_norm)
            first = self.gradients[self.table.tensors[0].name]
            self.assembler.emit("clip", n_out=self.table.size, operands=(first,), constant=bound)
        for name, gradient in self.gradients.items():
            tensor = self.table[name]
            states = (offset + tensor.offset for offset in self.states)
            self.assembler.emit(
                self.optimizer.name,
                n_out=tensor.size,
                operands=(tensor.offset, gradient, *states),
                constant=self._constants(tensor),
            )

    def _constants(self, tensor: TensorSpec) -> int:
        """Keep the optimizer's constants for one tensor: biases do not decay."""
        decay = self.optimizer.weight_decay * tensor.decays
        if self.optimizer.name == "sgd":
            return self.assembler.constants(self.optimizer.momentum, self.optimizer.nesterov, decay)
        return self.assembler.constants(self.optimizer.momentum, 0.999, 1e-8, decay)
