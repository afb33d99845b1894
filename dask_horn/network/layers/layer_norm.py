"""Layer normalization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.checks import checked_number
from dask_horn.network.activations import checked_activation
from dask_horn.network.layers.base import Layer
from dask_horn.network.layers.normalization import scale_and_shift
from dask_horn.network.parameters import TensorSpec
from dask_horn.network.signals import Signal

__all__ = ["LayerNorm"]


@dataclass(frozen=True, repr=False)
class LayerNorm(Layer):
    """Layer normalization: the units of a sample have mean 0 and variance 1, then γ and β.

    Mean and variance are taken over the units [1]_: of a sequence those of each step, of an image
    those of each position (its channels), and after a `Flatten` all values of the image, with a γ
    and a β for each. So samples do not depend on each other, and training and prediction are the
    same.

    A sub-model normalizes over the units that it has; the whole network over all of them.

    Its tensors are ``gamma`` and ``beta`` of shape (units,), after a `Flatten` (height, width,
    channels); they do not decay.

    Attributes
    ----------
    epsilon : float, default 1e-5
        Added to the variance. It is of the sample itself, so a small one does no harm.
    activation : str, default "linear"
        Comes last: one of relu, tanh, sigmoid, gelu, leaky_relu (slope 0.01) and linear.
    name : str, optional
        Letters, digits and underscores. Left out, the network fills in ``layer_norm_1``,
        ``layer_norm_2`` and so on.

    Raises
    ------
    TypeError, ValueError
        If epsilon is not a number above 0, or the activation is not known.

    References
    ----------
    .. [1] Ba, Kiros, Hinton: Layer Normalization, arXiv:1607.06450, 2016, equations 3 and 4.

    Examples
    --------
    >>> layer = LayerNorm(name="norm")
    >>> [tensor.shape for tensor in layer.tensors(Signal((20, 64), "lstm_1"))]
    [(64,), (64,)]
    """

    kind: ClassVar[str] = "layer_norm"

    epsilon: float = 1e-5
    activation: str = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "epsilon", checked_number("epsilon", self.epsilon, above=0))
        object.__setattr__(self, "activation", checked_activation(self.activation))

    def outputs(self, inputs: Signal) -> Signal:
        """Return the inputs' form, which does not change."""
        return inputs

    def tensors(self, inputs: Signal) -> tuple[TensorSpec, ...]:
        """Return ``gamma`` and ``beta``; see `Layer.tensors`."""
        return scale_and_shift(self.given_name, inputs)
