"""The fully connected layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.checks import checked_bool, checked_integer
from dask_horn.network.activations import checked_activation
from dask_horn.network.layers.dropconnect import DropConnected
from dask_horn.network.parameters import TensorSpec
from dask_horn.network.signals import Signal

__all__ = ["Dense"]


@dataclass(frozen=True, repr=False)
class Dense(DropConnected):
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
        them one: that costs little more than no mask, and regularizes less [1]_ (section 3). Masks
        of their own take a bit in memory for each example (and step) and weight.
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

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "units", checked_integer("units", self.units, 1))
        object.__setattr__(self, "activation", checked_activation(self.activation))
        object.__setattr__(self, "use_bias", checked_bool("use_bias", self.use_bias))

    def outputs(self, inputs: Signal) -> Signal:
        """Return the units, in place of the last dimension; see `Layer.outputs`."""
        if len(inputs.shape) > 2:
            raise ValueError(
                f"Dense takes samples of one dimension, or of steps, got the shape {inputs.shape}; "
                f"put a Flatten before it"
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
