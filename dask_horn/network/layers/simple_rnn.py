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
    dropconnect : float, default 0.0
        Probability, at least 0 and below 1, that an entry of ``U`` is dropped in training, the
        same entries in all steps of a sequence [2]_ (section 2); `keep_probability` tells what is
        made of it. What is kept is divided by the probability of being kept, so that ``U`` is the
        mean over masks, which prediction uses.
    dropconnect_mask : {"example", "batch"}, default "example"
        Whether each sequence of a batch has a mask of its own, or all of them one: that costs
        little more than no mask.
    name : str, optional
        Letters, digits and underscores. Left out, the network fills in ``simple_rnn_1`` and so on.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type, or not within its bounds.

    References
    ----------
    .. [1] Elman: Finding Structure in Time, Cognitive Science 14, 1990.
    .. [2] Merity, Keskar, Socher: Regularizing and Optimizing LSTM Language Models, ICLR 2018.

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
