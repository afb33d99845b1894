"""The convolution over images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.checks import checked_bool, checked_integer
from dask_horn.network.elements.activations import checked_activation
from dask_horn.network.elements.parameters import TensorSpec
from dask_horn.network.elements.signals import Signal
from dask_horn.network.layers.base import Layer
from dask_horn.network.layers.images import (
    Extent,
    Windows,
    checked_extent,
    checked_padding,
    windows_over,
)


@dataclass(frozen=True, repr=False)
class Conv2D(Layer):
    """A convolution over images, channels last: ``activation(x * W + b)``.

    As usual in deep learning, the kernel is not flipped: ``out[i, j, f]`` is the sum of
    ``x[i s + u, j s + v, c] W[u, v, c, f]`` over u, v and c, for stride s. The tensors are ``W`` of
    shape (kernel height, kernel width, channels, filters) and ``b`` of shape (filters,). The
    filters form a unit axis with the layer's name, and are divided among sub-models like the units
    of a `Dense`.

    Attributes
    ----------
    filters : int
        Number of filters, at least 1.
    kernel_size : int or (int, int)
        Height and width of the window.
    stride : int or (int, int), default 1
        Step of the window, down and across.
    padding : {"valid", "same"}, default "valid"
        With "valid" windows lie within the image. With "same" the image is padded with zeros so
        that there is an output for each `stride`; an odd zero goes to the end, as in Keras.
    activation : str, default "linear"
        One of relu, tanh, sigmoid, gelu, leaky_relu (slope 0.01) and linear.
    use_bias : bool, default True
        Whether to add a bias.
    name : str, optional
        Letters, digits and underscores. By default the network chooses ``conv2d_1``, ``conv2d_2``
        and so on.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, or the padding or activation is unknown.

    Examples
    --------
    >>> layer = Conv2D(32, 5, activation="relu", name="first")
    >>> layer
    Conv2D(32, 5, activation='relu', name='first')
    >>> image = Signal((28, 28, 1), "input")
    >>> layer.outputs(image).shape, layer.tensors(image)[0].shape
    ((24, 24, 32), (5, 5, 1, 32))
    """

    kind: ClassVar[str] = "conv2d"

    filters: int
    kernel_size: Extent
    stride: Extent = 1
    padding: str = "valid"
    activation: str = "linear"
    use_bias: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "filters", checked_integer("filters", self.filters, 1))
        for argument in ("kernel_size", "stride"):
            object.__setattr__(self, argument, checked_extent(argument, getattr(self, argument)))
        object.__setattr__(self, "padding", checked_padding(self.padding))
        object.__setattr__(self, "activation", checked_activation(self.activation))
        object.__setattr__(self, "use_bias", checked_bool("use_bias", self.use_bias))

    def windows(self, inputs: Signal) -> tuple[Windows, Windows]:
        """Return the positions of the window, down and across.

        Raises
        ------
        ValueError
            If `inputs` are not images, or smaller than the window.
        """
        return windows_over("Conv2D", inputs, self.kernel_size, self.stride, self.padding)

    def outputs(self, inputs: Signal) -> Signal:
        """Return an image with one value per position and filter."""
        height, width = self.windows(inputs)
        return Signal((height.count, width.count, self.filters), self.given_name)

    def tensors(self, inputs: Signal) -> tuple[TensorSpec, ...]:
        """Return ``W`` and, with `use_bias`, ``b``; see `Layer.tensors`."""
        name, (height, width) = self.given_name, self.windows(inputs)
        area = height.size * width.size
        weight = TensorSpec(
            f"{name}/W",
            (height.size, width.size, inputs.units, self.filters),
            (None, None, inputs.axis, name),
            fan_in=area * inputs.units,
            fan_out=area * self.filters,
            activation=self.activation,
            decays=True,
            source=inputs.axis,
            uses=height.count * width.count,
        )
        bias = weight.bias(f"{name}/b", (self.filters,), (name,))
        return (weight, bias) if self.use_bias else (weight,)
