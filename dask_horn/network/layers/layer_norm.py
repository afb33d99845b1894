"""Layer normalization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.network.layers.normalization import Normalizing


@dataclass(frozen=True, repr=False)
class LayerNorm(Normalizing):
    """Layer normalization: the units of a sample have mean 0 and variance 1, then γ and β.

    Mean and variance are taken over the units [1]_: separately for each step of a sequence and for
    each position of an image (over its channels). After a `Flatten` they are taken over all values
    of the image, each of which has its own γ and β. Samples do not depend on each other, and
    training and prediction are the same.

    A sub-model normalizes over its own units, the whole network over all of them.

    The tensors are ``gamma`` and ``beta`` of shape (units,), or (height, width, channels) after a
    `Flatten`; they do not decay.

    Attributes
    ----------
    epsilon : float, default 1e-5
        Added to the variance.
    activation : str, default "linear"
        Applied at the end: one of relu, tanh, sigmoid, gelu, leaky_relu (slope 0.01) and linear.
    name : str, optional
        Letters, digits and underscores. By default the network chooses ``layer_norm_1``,
        ``layer_norm_2`` and so on.

    Raises
    ------
    TypeError, ValueError
        If epsilon is not a number above 0, or the activation is unknown.

    References
    ----------
    .. [1] Ba, Kiros, Hinton: Layer Normalization, arXiv:1607.06450, 2016, equations 3 and 4.

    Examples
    --------
    >>> from dask_horn.network import Signal
    >>> layer = LayerNorm(name="norm")
    >>> [tensor.shape for tensor in layer.tensors(Signal((20, 64), "lstm_1"))]
    [(64,), (64,)]
    """

    kind: ClassVar[str] = "layer_norm"
