"""The rows of an embedding: a lookup, and the sum of the gradients of each token's vectors."""

from __future__ import annotations

from dataclasses import dataclass

from dask_horn.kernels.program import Operation
from dask_horn.network import Embedding, PlacedLayer, TensorSpec
from dask_horn.program.layers import Context, emits


@dataclass(frozen=True)
class EmittedEmbedding:
    """An embedding in a program; offsets count from the arena's start."""

    context: Context
    vectors: TensorSpec
    steps: int
    input: int
    output: int

    def backward(self, gradient: int, *, to_input: bool) -> int:
        """Write the vectors' gradient; tokens have none."""
        n_tokens, units = self.vectors.shape
        self.context.assembler.emit(
            Operation("embedding_backward", n_tokens, units, self.steps),
            (self.input, gradient, self.context.kept_gradient(self.vectors.name)),
        )
        return gradient


@emits(Embedding)
def emit_embedding(
    context: Context, placed: PlacedLayer, source: int, stream: int
) -> EmittedEmbedding:
    """Write the forward row of an embedding; see `Emitter`."""
    layer, assembler = placed.layer, context.assembler
    assert isinstance(layer, Embedding)
    vectors, steps = context.table[f"{layer.given_name}/E"], placed.outputs.rows
    n_tokens, units = vectors.shape
    output = assembler.batch_buffer(units, steps)
    assembler.emit(
        Operation("embedding_forward", n_tokens, units, steps),
        (source, vectors.offset, output),
    )
    return EmittedEmbedding(context, vectors, steps, source, output)
