"""What the files that write the rows of one kind of layer agree on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from dask_horn.network import Layer, ParameterTable, PlacedLayer, Signal
from dask_horn.program.assembler import Assembler
from dask_horn.program.optimizers import Update


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
        c of each tensor whose source axis is divided; 1 where a tensor is missing.
    update : Update or None
        Where gradients go; None in a program that only predicts.
    scratch : tuple of int
        Two buffers, each for a batch of the largest signal, that gradients pass through, in turn.
    statistics : mapping of str to int, or None
        Offsets of what `Network.statistics` names: where a program that predicts finds it, and one
        that measures leaves the batch's. None while training, when nobody wants to know.
    predicts : bool
        Whether outputs are those of a trained model; else a batch is normalized by itself.
    counted : int or None
        Offset of (batch, steps), 0 where a step of a sample is padding, else 1; None where none is.
    encoded_width : int
        Columns of a sample behind all encodings, which write into the same rows; 0 without any.
    """

    assembler: Assembler
    table: ParameterTable
    scales: Mapping[str, float]
    update: Update | None
    scratch: tuple[int, int]
    statistics: Mapping[str, int] | None = None
    predicts: bool = False
    counted: int | None = None
    encoded_width: int = 0

    @property
    def trains(self) -> bool:
        """Whether the program trains, so that backward rows will follow."""
        return self.update is not None

    def own(self, signal: Signal) -> Signal:
        """Return what the sub-model has of a signal of the whole network."""
        return signal.restricted(self.table.axis_lengths)

    def other_scratch(self, used: int) -> int:
        """Return the scratch buffer that is not `used`."""
        return self.scratch[1] if used == self.scratch[0] else self.scratch[0]

    def kept_gradient(self, name: str) -> int:
        """Return the offset of the gradient of a tensor that is no dense layer's weight."""
        assert self.update is not None, "a program that predicts has no backward rows"
        return self.update.gradient(name)


class EmittedLayer(Protocol):
    """A layer whose forward rows are written; it knows where its results lie."""

    @property
    def output(self) -> int:
        """Offset of the layer's output: a batch of what `PlacedLayer.outputs` tells."""

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Write the backward rows.

        `gradient` is the offset of the loss' gradient with respect to the output, one of the two
        scratch buffers. Returns the offset of the gradient with respect to the input, in either of
        them, which is written where `to_input`.
        """


#: Writes the forward rows of a layer at its place: ``emit(context, placed, source, stream)``, where
#: `source` is the offset of its input, and `stream` sets its random draws apart from other layers'.
Emitter = Callable[[Context, PlacedLayer, int, int], Any]

#: The emitter of each kind of layer.
EMITTERS: dict[type[Layer], Emitter] = {}

_Emitter = TypeVar("_Emitter", bound=Emitter)


def emits(*kinds: type[Layer]) -> Callable[[_Emitter], _Emitter]:
    """Register a function as the emitter of these kinds of layers."""

    def register(emitter: _Emitter) -> _Emitter:
        EMITTERS.update(dict.fromkeys(kinds, emitter))
        return emitter

    return register
