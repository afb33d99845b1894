"""The simplest recurrent layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.network.activations import checked_activation
from dask_horn.network.layers.recurrent import Recurrent

__all__ = ["SimpleRNN"]


@dataclass(frozen=True, repr=False)
class SimpleRNN(Recurrent):
    """A recurrent layer without gates: ``h ← activation(x @ W + h @ U + b)`` [1]_.

    Samples are of shape (steps, features). ``W`` is of shape (features, 1, units), ``U`` of
    (units, 1, units), ``b`` of (1, units). The state h starts at zero.

    Attributes
    ----------
    units : int
        Number of units, at least 1.
    activation : str, default "tanh"
        One of relu, tanh, sigmoid, gelu, leaky_relu (slope 0.01) and linear. The others than tanh
        and sigmoid have no bound: the state may grow from step to step.
    return_sequences : bool, default False
        Whether the output is the state after each step, (steps, units), or after the last one,
        (units,).
    mask_value : float, optional
        A step whose features all equal it, as they are in the data, is padding: the state stays as
        it was, and the step counts in no loss. For the first recurrent layer alone; those above
        it pass over the same steps.
    use_bias : bool, default True
        Whether a bias is added.
    name : str, optional
        Letters, digits and underscores. Left out, the network fills in ``simple_rnn_1`` and so on.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type, or not within its bounds.

    References
    ----------
    .. [1] Elman: Finding Structure in Time, Cognitive Science 14, 1990.

    Examples
    --------
    >>> from dask_horn.network import Signal
    >>> layer = SimpleRNN(32, name="memory")
    >>> layer
    SimpleRNN(32, name='memory')
    >>> [tensor.shape for tensor in layer.tensors(Signal((10, 3), "input"))]
    [(3, 1, 32), (32, 1, 32), (1, 32)]
    """

    kind: ClassVar[str] = "simple_rnn"
    n_gates: ClassVar[int] = 1

    activation: str = "tanh"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "activation", checked_activation(self.activation))

    @property
    def _initial_activation(self) -> str:
        return self.activation
