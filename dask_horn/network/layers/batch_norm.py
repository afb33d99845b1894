"""Batch normalization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.checks import checked_number
from dask_horn.network.activations import checked_activation
from dask_horn.network.layers.base import Layer
from dask_horn.network.layers.normalization import scale_and_shift
from dask_horn.network.parameters import TensorSpec
from dask_horn.network.signals import Signal

__all__ = ["BatchNorm"]


@dataclass(frozen=True, repr=False)
class BatchNorm(Layer):
    """Batch normalization: each unit has mean 0 and variance 1 over a batch, then γ and β.

    In training, mean and variance are those of the batch [1]_: of a unit over the samples and all
    their positions or steps. A batch of a single value has variance 0, and β comes out. In
    prediction they are those of the population, which no training changes: they are kept beside
    the parameters, and are measured anew for each model that is predicted with, over batches of
    training samples, dropout off (algorithm 2 there). No running mean of the training would do: a
    sub-model's units have other means and variances than the same units of the whole network.

    A sub-model has its own units and their γ and β, and normalizes them as it would by itself.
    Steps that are padding count as others do, and so the lengths of the sequences beside it matter
    to each; `LayerNorm` suits those better.

    The layer has an activation because that of a `Dense` comes before it: the paper's order is
    ``Dense(400, use_bias=False), BatchNorm(activation="relu")``.

    Its tensors are ``gamma`` and ``beta`` of shape (units,), which do not decay.

    Attributes
    ----------
    epsilon : float, default 1e-3
        Added to the variance. Large enough that a unit which hardly varies in the rows that the
        population is measured on is not blown up on others.
    activation : str, default "linear"
        One of relu, tanh, sigmoid, gelu, leaky_relu (slope 0.01) and linear.
    name : str, optional
        Letters, digits and underscores. Left out, the network fills in ``batch_norm_1``,
        ``batch_norm_2`` and so on.

    Raises
    ------
    TypeError, ValueError
        If epsilon is not a number above 0, or the activation is not known.

    References
    ----------
    .. [1] Ioffe, Szegedy: Batch Normalization: Accelerating Deep Network Training by Reducing
       Internal Covariate Shift, ICML 2015, algorithms 1 and 2; section 3.2 for convolutions.

    Examples
    --------
    >>> layer = BatchNorm(activation="relu", name="norm")
    >>> [tensor.shape for tensor in layer.tensors(Signal((28, 28, 8), "conv2d_1"))]
    [(8,), (8,)]
    """

    kind: ClassVar[str] = "batch_norm"

    epsilon: float = 1e-3
    activation: str = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "epsilon", checked_number("epsilon", self.epsilon, above=0))
        object.__setattr__(self, "activation", checked_activation(self.activation))

    def outputs(self, inputs: Signal) -> Signal:
        """Return the inputs' form, which does not change; see `Layer.outputs`."""
        if inputs.grid:
            raise ValueError(
                f"BatchNorm takes units, not the {inputs.width} values of a Flatten, in which each "
                f"unit has {inputs.width // inputs.units}; put it before the Flatten"
            )
        return inputs

    def tensors(self, inputs: Signal) -> tuple[TensorSpec, ...]:
        """Return ``gamma`` and ``beta``; see `Layer.tensors`."""
        return scale_and_shift(self.given_name, inputs)

    def statistics(self, inputs: Signal) -> tuple[TensorSpec, ...]:
        """Return ``mean`` and ``variance`` of the population; see `Layer.statistics`."""
        return tuple(
            TensorSpec(
                f"{self.given_name}/{what}",
                (inputs.units,),
                (inputs.axis,),
                *(1, 1, self.activation),
                decays=False,
                uses=inputs.rows,
                fill=(start,),
            )
            for what, start in (("mean", 0.0), ("variance", 1.0))
        )
