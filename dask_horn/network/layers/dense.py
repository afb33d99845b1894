"""The fully connected layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.checks import checked_bool, checked_integer
from dask_horn.network.elements.activations import checked_activation
from dask_horn.network.elements.parameters import TensorSpec
from dask_horn.network.elements.signals import Signal
from dask_horn.network.layers.dropconnect import DropConnected


@dataclass(frozen=True, repr=False)
class Dense(DropConnected):
    """A fully connected layer: ``activation(x @ W + b)``.

    The tensors are ``W`` of shape (in, units) and ``b`` of shape (units,). The units form a unit
    axis with the layer's name. After a `Flatten` ``W`` has the shape (height, width, channels,
    units). The layer is applied to each step of a sequence. As the first layer it takes the whole
    sample as one row, whatever its shape.

    Attributes
    ----------
    units : int
        Number of units, at least 1.
    activation : str, default "linear"
        One of relu, tanh, sigmoid, gelu, leaky_relu (slope 0.01) and linear.
    use_bias : bool, default True
        Whether to add a bias.
    dropconnect : float, default 0.0
        Probability, at least 0 and below 1, of dropping a weight or a bias in training [1]_;
        `keep_probability` is what it is rounded to. Weights that are kept are divided by the
        probability p of keeping them, so the whole layer is the mean over masks; prediction uses
        it as it is. (The paper does not divide in training, and multiplies by p in prediction: its
        W is this one divided by p.)
    dropconnect_mask : {"example", "batch"}, default "example"
        Whether each example (each step of a sequence) has its own mask, or all of a batch share
        one. A shared mask costs little more than none, and regularizes less [1]_ (section 3). Own
        masks take one bit of memory for each example (and step) and weight.
    name : str, optional
        Letters, digits and underscores. By default the network chooses ``dense_1``, ``dense_2``
        and so on, and ``output`` for its last layer.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range, or the activation is unknown.

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
        """Replace the last dimension by the units; see `Layer.outputs`."""
        if len(inputs.shape) > 2:
            raise ValueError(
                f"Dense takes rows, or sequences of shape (steps, features), got the shape "
                f"{inputs.shape}; put a Flatten before it"
            )
        return Signal((*inputs.shape[:-1], self.units), self.given_name)

    def tensors(self, inputs: Signal) -> tuple[TensorSpec, ...]:
        """Return ``W`` and, with `use_bias`, ``b``; see `Layer.tensors`."""
        name = self.given_name
        weight = TensorSpec(
            f"{name}/W",
            (*inputs.grid, inputs.units, self.units),
            (*(None for _ in inputs.grid), inputs.axis, name),
            fan_in=inputs.width,
            fan_out=self.units,
            activation=self.activation,
            decays=True,
            source=inputs.axis,
            uses=inputs.rows,
        )
        bias = weight.bias(f"{name}/b", (self.units,), (name,))
        return (weight, bias) if self.use_bias else (weight,)
