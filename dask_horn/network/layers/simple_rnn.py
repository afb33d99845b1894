"""The simplest recurrent layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.network.elements.activations import checked_activation
from dask_horn.network.layers.recurrent import Recurrent


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
        One of relu, tanh, sigmoid, gelu, leaky_relu (slope 0.01) and linear. With any
        but tanh and sigmoid, the state may grow without bound.
    return_sequences : bool, default False
        Whether to return the state after each step, (steps, units), or only after the last,
        (units,).
    mask_value : float, optional
        A step is padding if all its features, as stored, equal this value. Padding does not change
        the state and counts in no loss. Only for the first recurrent layer; later ones skip the
        same steps.
    use_bias : bool, default True
        Whether to add a bias.
    dropconnect : float, default 0.0
        Probability, at least 0 and below 1, that an entry of ``U`` is dropped in training, the
        same entries in all steps of a sequence [2]_ (section 2); `keep_probability` is
        what it is rounded to. Entries that are kept are divided by the probability of keeping
        them, so ``U`` is the mean over masks; prediction uses it as it is.
    dropconnect_mask : {"example", "batch"}, default "example"
        Whether each sequence has its own mask, or all sequences of a batch share one. A shared
        mask costs little more than none.
    name : str, optional
        Letters, digits and underscores. By default the network chooses ``simple_rnn_1`` and so on.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of its bounds.

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
    initial_biases: ClassVar[tuple[float, ...]] = (0.0,)

    activation: str = "tanh"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "activation", checked_activation(self.activation))

    @property
    def _initial_activation(self) -> str:
        return self.activation
