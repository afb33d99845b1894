"""The fully connected layer."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from dask_horn.network.activations import checked_activation
from dask_horn.network.layers.base import Layer
from dask_horn.network.parameters import TensorSpec
from dask_horn.network.signals import Signal
from dask_horn.network.validation import checked_bool, checked_integer, checked_rate

__all__ = ["KEEP_STEPS", "Dense"]

#: Probabilities of masks for each weight are multiples of one over this.
KEEP_STEPS = 256

_MASKS = ("example", "batch")


@dataclass(frozen=True, repr=False)
class Dense(Layer):
    """A fully connected layer: ``activation(x @ W + b)``.

    Its tensors are ``W`` of shape (in, units) and ``b`` of shape (units,); its units are a unit
    axis of the layer's name. After a `Flatten` ``W`` keeps the grid: (height, width, channels,
    units). Of a sequence each step goes through it by itself; the network's input, whatever its
    shape, as one row.

    Attributes
    ----------
    units : int
        Number of units, at least 1.
    activation : str, default "linear"
        One of relu, tanh, sigmoid, gelu, leaky_relu (slope 0.01) and linear.
    use_bias : bool, default True
        Whether a bias is added.
    dropconnect : float, default 0.0
        Probability, at least 0 and below 1, that a weight or a bias is dropped in training [1]_;
        `keep_probability` tells what is made of it. What is kept is divided by the probability of
        being kept, so that the layer with all its weights is the mean over masks, which prediction
        uses. In the paper's form training leaves the weights as they are and prediction multiplies
        them by that probability p: its W is this one divided by p.
    dropconnect_mask : {"example", "batch"}, default "example"
        Whether each example of a batch (each step of a sequence) has a mask of its own, or all of
        them one: that costs little more than no mask, and regularizes less [1]_ (section 3).
    name : str, optional
        Letters, digits and underscores. Left out, the network fills in ``dense_1``, ``dense_2``
        and so on, and ``output`` for its last layer.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type or out of range, or the activation is not known.

    References
    ----------
    .. [1] Wan, Zeiler, Zhang, LeCun, Fergus: Regularization of Neural Networks using DropConnect,
       ICML 2013.

    Examples
    --------
    >>> layer = Dense(800, activation="relu", name="first")
    >>> layer
    Dense(800, activation='relu', name='first')
    >>> layer.tensors(Signal((784,), "input"))[0].shape
    (784, 800)
    """

    kind: ClassVar[str] = "dense"
    flattens_input: ClassVar[bool] = True

    units: int
    activation: str = "linear"
    use_bias: bool = True
    dropconnect: float = 0.0
    dropconnect_mask: str = "example"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "units", checked_integer("units", self.units, 1))
        object.__setattr__(self, "activation", checked_activation(self.activation))
        object.__setattr__(self, "use_bias", checked_bool("use_bias", self.use_bias))
        object.__setattr__(self, "dropconnect", checked_rate("dropconnect", self.dropconnect))
        if self.dropconnect_mask not in _MASKS:
            raise ValueError(
                f"dropconnect_mask must be 'example' or 'batch', got {self.dropconnect_mask!r}."
            )

    @property
    def keep_probability(self) -> float:
        """Probability that a weight is kept in training; 1 without dropconnect.

        It is ``1 - dropconnect`` to the nearest of 255 steps from 1/256 to 255/256: masks are made
        of random bits, of eight for each weight, and of fewer where fewer will do, as for 0.5.
        """
        if self.dropconnect == 0:
            return 1.0
        return min(max(round(KEEP_STEPS * (1 - self.dropconnect)), 1), KEEP_STEPS - 1) / KEEP_STEPS

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain values; see `Layer.to_config`.

        Without what came later than the format, where it has its default: so any dask_horn reads
        a plain layer, and an earlier one refuses masks that it does not know.
        """
        config = super().to_config()
        for item in dataclasses.fields(self):
            if item.name.startswith("dropconnect") and config[item.name] == item.default:
                del config[item.name]
        return config

    def outputs(self, inputs: Signal) -> Signal:
        """Return the units, in place of the last dimension; see `Layer.outputs`."""
        if len(inputs.shape) > 2:
            raise ValueError(
                f"Dense takes samples of one dimension, or of steps, got the shape {inputs.shape}; "
                f"put a Flatten before it."
            )
        return Signal((*inputs.shape[:-1], self.units), self.given_name)

    def tensors(self, inputs: Signal) -> tuple[TensorSpec, ...]:
        """Return ``W`` and, with `use_bias`, ``b``; see `Layer.tensors`."""
        name, fans = self.given_name, (inputs.width, self.units)
        weight = TensorSpec(
            f"{name}/W",
            (*inputs.grid, inputs.units, self.units),
            (*(None for _ in inputs.grid), inputs.axis, name),
            *fans,
            self.activation,
            decays=True,
            source=inputs.axis,
            uses=inputs.rows,
        )
        bias = TensorSpec(f"{name}/b", (self.units,), (name,), *fans, self.activation, decays=False)
        return (weight, bias) if self.use_bias else (weight,)
