"""Which file writes the rows of which layer, and what those files agree on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from dask_horn.network import ParameterTable
from dask_horn.program.assembler import Assembler
from dask_horn.program.optimizers import Update

__all__ = ["Context", "EmittedLayer"]


@dataclass(frozen=True)
class Context:
    """What the rows of every layer refer to.

    Attributes
    ----------
    assembler : Assembler
        Where rows and buffers go.
    table : ParameterTable
        The sub-model's own parameters, at the arena's start.
    scales : mapping of str to float
        c of each layer whose source axis is divided; 1 where a layer is missing.
    work : int
        Offset of the work space that all products share.
    update : Update or None
        Where gradients go; None in a program that only predicts.
    scratch : tuple of int
        Two (batch, widest layer) buffers that gradients pass through, in turn.
    """

    assembler: Assembler
    table: ParameterTable
    scales: Mapping[str, float]
    work: int
    update: Update | None
    scratch: tuple[int, int]

    def other_scratch(self, used: int) -> int:
        """Return the scratch buffer that is not `used`."""
        return self.scratch[1] if used == self.scratch[0] else self.scratch[0]


class EmittedLayer(Protocol):
    """A layer whose forward rows are written; it knows where its results lie."""

    @property
    def output(self) -> int:
        """Offset of the layer's output, (batch, width)."""

    @property
    def width(self) -> int:
        """Units of the layer."""

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Write the backward rows.

        `gradient` is the offset of the loss' gradient with respect to the output. Returns the
        offset of the gradient with respect to the input, which is written where `to_input`.
        """
