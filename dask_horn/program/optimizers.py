"""The optimizers' settings, and their rows in a program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dask_horn.network import ParameterTable
from dask_horn.program.assembler import Assembler

__all__ = ["OPTIMIZERS", "Optimizer", "emit_update"]

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


def emit_update(
    assembler: Assembler, table: ParameterTable, optimizer: Optimizer, gradients: int
) -> None:
    """Emit the update of all parameters from the gradients at that offset."""
    if optimizer.clip_norm is not None:
        bound = assembler.constants(optimizer.clip_norm)
        assembler.emit("clip", n_out=table.size, operands=(gradients,), constant=bound)
    states = [assembler.buffer(table.size) for _ in range(optimizer.n_state_vectors)]
    for start, stop, decay in _runs_of_equal_decay(table, optimizer.weight_decay):
        if optimizer.name == "sgd":
            constant = assembler.constants(optimizer.momentum, optimizer.nesterov, decay)
        else:
            constant = assembler.constants(optimizer.momentum, 0.999, 1e-8, decay)
        operands = [offset + start for offset in (0, gradients, *states)]
        assembler.emit(optimizer.name, n_out=stop - start, operands=operands, constant=constant)


def _runs_of_equal_decay(
    table: ParameterTable, weight_decay: float
) -> Iterator[tuple[int, int, float]]:
    """Stretches of the vector, padding included, that decay alike: one where nothing decays."""
    run_start, run_decay = 0, weight_decay * table.tensors[0].decays
    for tensor in table.tensors:
        decay = weight_decay * tensor.decays
        if decay != run_decay:
            yield run_start, tensor.offset, run_decay
            run_start, run_decay = tensor.offset, decay
    yield run_start, table.size, run_decay
