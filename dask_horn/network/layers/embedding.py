"""A vector for each token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.checks import checked_integer
from dask_horn.network.elements.parameters import TensorSpec
from dask_horn.network.elements.signals import Signal
from dask_horn.network.layers.base import Layer

#: Tokens reach the kernels as float32, which has every integer up to here.
MOST_TOKENS = 2**24


@dataclass(frozen=True, repr=False)
class Embedding(Layer):
    """A learned vector for each token: ``E[x]``.

    Samples have the shape (steps,) and hold integers from 0 to ``n_tokens - 1``, which are not
    standardized. ``E`` has the shape (n_tokens, units); its initial values are uniform, with mean 0
    and variance 1.

    Attributes
    ----------
    n_tokens : int
        Number of tokens, from 1 to 2**24.
    units : int
        Length of the vectors, at least 1.
    name : str, optional
        Letters, digits and underscores. By default the network chooses ``embedding_1``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not an integer, or out of its bounds.

    Examples
    --------
    >>> layer = Embedding(65, 32, name="characters")
    >>> layer.outputs(Signal((100,), "input")).shape
    (100, 32)
    >>> layer.tensors(Signal((100,), "input"))[0].shape
    (65, 32)
    """

    kind: ClassVar[str] = "embedding"

    n_tokens: int
    units: int

    def __post_init__(self) -> None:
        super().__post_init__()
        n_tokens = checked_integer("n_tokens", self.n_tokens, 1, MOST_TOKENS)
        object.__setattr__(self, "n_tokens", n_tokens)
        object.__setattr__(self, "units", checked_integer("units", self.units, 1))

    def outputs(self, inputs: Signal) -> Signal:
        """Return a vector for each step; see `Layer.outputs`."""
        if len(inputs.shape) != 1:
            raise ValueError(
                f"Embedding takes samples of shape (steps,), got the shape {inputs.shape}"
            )
        return Signal((*inputs.shape, self.units), self.given_name)

    def tensors(self, inputs: Signal) -> tuple[TensorSpec, ...]:
        """Return ``E``; see `Layer.tensors`."""
        name = self.given_name
        embedding = TensorSpec(
            f"{name}/E",
            (self.n_tokens, self.units),
            (None, name),
            fan_in=1,  # a unit is fed by one token at a time
            fan_out=1,
            activation="linear",
            decays=True,
            source=inputs.axis,
            uses=1,  # for the update: a lookup costs no product
        )
        return (embedding,)
