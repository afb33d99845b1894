"""The optimizers' settings, and their rows in a program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dask_horn.kernels.program import Operation
from dask_horn.network import ParameterTable, TensorSpec
from dask_horn.program.assembler import Assembler


@dataclass(frozen=True)
class Optimizer:
    """How a sub-model's parameters follow its gradients.

    Attributes
    ----------
    name : {"adamw", "sgd"}
    momentum : float
        Of sgd, in [0, 1).
    nesterov : bool
        Whether sgd looks ahead.
    weight_decay : float
        Of the weights, never of the biases: decoupled for adamw, an L2 penalty for sgd.
    clip_norm : float or None
        Bound on the norm of the whole gradient; None leaves it alone.
    beta_1, beta_2 : float
        Decay of adamw's first and second moment, in [0, 1).
    epsilon : float
        Added to the root of adamw's second moment.
    """

    name: str = "adamw"
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    clip_norm: float | None = None
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    @property
    def rule(self) -> Rule:
        """What is done with a gradient."""
        return RULES[self.name]


@dataclass(frozen=True)
class Rule:
    """An optimizer, as programs and defaults need to know it.

    Its kernel has its name; `dask_horn.kernels.rules` tells what it does.

    Attributes
    ----------
    n_states : int
        Vectors of the parameters' length that it keeps.
    constants : callable
        ``constants(optimizer, decay)`` are the numbers that its kernel reads for a tensor whose
        values decay by so much.
    rate : float or None
        Learning rate by default; None where steps are as long whatever the gradient's scale, so
        that the rate follows from the network and the weights decay by default.
    """

    n_states: int
    constants: Callable[[Optimizer, float], tuple[float, ...]]
    rate: float | None = None


def _sgd(optimizer: Optimizer, decay: float) -> tuple[float, ...]:
    return optimizer.momentum, optimizer.nesterov, decay


def _adamw(optimizer: Optimizer, decay: float) -> tuple[float, ...]:
    return optimizer.beta_1, optimizer.beta_2, optimizer.epsilon, decay


#: All optimizers, by their names.
RULES: dict[str, Rule] = {
    "adamw": Rule(n_states=2, constants=_adamw),
    "sgd": Rule(n_states=1, constants=_sgd, rate=0.05),
}


@dataclass(frozen=True)
class Target:
    """Where an operation leaves a tensor's gradient, or what it does with it at once.

    Attributes
    ----------
    operation : Operation
        The one that was asked for, or one that updates the tensor too.
    offset : int
        Of the gradient, or of the tensor.
    states : tuple of int
        Offsets of the optimizer's state of the tensor; empty where only its gradient is kept.
    rule : int
        Index of the optimizer's first constant, likewise.
    """

    operation: Operation
    offset: int
    states: tuple[int, ...] = ()
    rule: int = 0


@dataclass(frozen=True)
class Update:
    """Where a program's gradients go, and how parameters follow them.

    Where the device can, a weight is updated as its gradient is being computed, which then needs
    no memory; the other parameters have theirs kept until the end of the step. Where the gradient
    is clipped all of it is kept, for its norm must be known first.

    Attributes
    ----------
    assembler : Assembler
    table : ParameterTable
    optimizer : Optimizer
    states : tuple of int
        Offsets of the optimizer's vectors, laid out like the parameters.
    whole : int or None
        Offset of the whole gradient, laid out likewise, where it is clipped.
    """

    assembler: Assembler
    table: ParameterTable
    optimizer: Optimizer
    states: tuple[int, ...]
    whole: int | None
    _kept: dict[str, int] = field(default_factory=dict)  # offset of each tensor's own gradient

    @classmethod
    def plan(cls, assembler: Assembler, table: ParameterTable, optimizer: Optimizer) -> Update:
        """Reserve the memory that all parameters need."""
        whole = None if optimizer.clip_norm is None else assembler.buffer(table.size)
        states = tuple(assembler.buffer(table.size) for _ in range(optimizer.rule.n_states))
        return cls(assembler, table, optimizer, states, whole)

    def gradient(self, name: str) -> int:
        """Return where the gradient of a tensor is kept until the end of the step.

        Of one that is not trained nobody asks for it: it has no rows, and where the whole gradient
        is clipped it has zeros there.
        """
        assert self.table[name].trained, f"{name} is not trained"
        if name not in self._kept:
            tensor = self.table[name]
            if self.whole is None:
                self._kept[name] = self.assembler.buffer(tensor.size)
            else:
                self._kept[name] = self.whole + tensor.offset
        return self._kept[name]

    def target(
        self, operation: Operation, weight: TensorSpec, *, read_later: bool = False
    ) -> Target:
        """Return where `operation`, which computes a weight's gradient, is to leave it.

        `read_later` tells whether the weight is still read in this step: then it must not change.
        """
        name, device = self.optimizer.name, self.assembler.device
        if read_later or self.whole is not None or not device.fuses(operation, name):
            return Target(operation, self.gradient(weight.name))
        fused = replace(operation, kernel=f"{operation.kernel}_{name}")
        return Target(fused, weight.offset, self._states(weight), self._constants(weight))

    def emit_rest(self) -> None:
        """Emit the update of all parameters whose gradients are kept."""
        if self.whole is not None:
            bound = self.assembler.constants(self.optimizer.clip_norm or 0.0)
            norm = Operation("clip", n_out=self.table.size)
            self.assembler.emit(norm, (self.whole,), constant=bound)
        for tensor in self.table.tensors:
            if tensor.name in self._kept:
                self.assembler.emit(
                    Operation(self.optimizer.name, n_out=tensor.size),
                    (tensor.offset, self._kept[tensor.name]),
                    states=self._states(tensor),
                    rule=self._constants(tensor),
                )

    def _states(self, tensor: TensorSpec) -> tuple[int, ...]:
        return tuple(offset + tensor.offset for offset in self.states)

    def _constants(self, tensor: TensorSpec) -> int:
        """Keep the optimizer's constants for one tensor: biases do not decay."""
        decay = self.optimizer.weight_decay * tensor.decays
        return self.assembler.constants(*self.optimizer.rule.constants(self.optimizer, decay))
