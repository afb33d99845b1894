"""Batch normalization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.network.elements.parameters import TensorSpec
from dask_horn.network.elements.signals import Signal
from dask_horn.network.layers.normalization import Normalizing


@dataclass(frozen=True, repr=False)
class BatchNorm(Normalizing):
    """Batch normalization: each unit has mean 0 and variance 1 over a batch, then γ and β.

    In training, mean and variance are those of the batch [1]_: for each unit, over all samples and
    their positions or steps. A batch with a single value has variance 0, and the output is β. In
    prediction they are those of the population. They are not trained, but kept beside the
    parameters, and measured again for each model that is scored, saved or returned: over batches
    of training samples, without dropout ([1]_, algorithm 2). A running mean during training would
    be wrong, because a unit has a different mean and variance in a sub-model than in the whole
    network.

    A sub-model has the γ and β of its own units, and normalizes them as it would by itself. Steps
    of padding count like any others, so a sequence's result depends on the lengths of the sequences
    beside it; `LayerNorm` suits padded sequences better.

    Give the activation to this layer and not to the `Dense` before it. The paper's order is
    ``Dense(400, use_bias=False), BatchNorm(activation="relu")``.

    The tensors are ``gamma`` and ``beta`` of shape (units,), which do not decay.

    Attributes
    ----------
    epsilon : float, default 1e-3
        Added to the variance. It is large enough that a unit which hardly varies in the rows where
        the population is measured does not become huge in other rows.
    activation : str, default "linear"
        One of relu, tanh, sigmoid, gelu, leaky_relu (slope 0.01) and linear.
    name : str, optional
        Letters, digits and underscores. By default the network chooses ``batch_norm_1``,
        ``batch_norm_2`` and so on.

    Raises
    ------
    TypeError, ValueError
        If epsilon is not a number above 0, or the activation is unknown.

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

    def outputs(self, inputs: Signal) -> Signal:
        """Return `inputs`; see `Layer.outputs`."""
        if inputs.grid:
            raise ValueError(
                f"BatchNorm normalizes units, but after a Flatten each unit has "
                f"{inputs.width // inputs.units} values; put it before the Flatten"
            )
        return inputs

    def statistics(self, inputs: Signal) -> tuple[TensorSpec, ...]:
        """Return ``mean`` and ``variance`` of the population; see `Layer.statistics`."""
        return tuple(
            TensorSpec(
                f"{self.given_name}/{what}",
                (inputs.units,),
                (inputs.axis,),
                fan_in=1,
                fan_out=1,
                activation=self.activation,
                decays=False,
                uses=inputs.rows,
                fill=(start,),
            )
            for what, start in (("mean", 0.0), ("variance", 1.0))
        )
