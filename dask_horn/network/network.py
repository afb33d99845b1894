"""The network: a sequence of layers, the shape of a sample, and a loss.

It describes WHAT is trained and holds no parameters. Those are one vector, which the network's
parameter table explains.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.checks import checked_integer
from dask_horn.errors import ModelFormatError
from dask_horn.network import json_form
from dask_horn.network.elements.parameters import ParameterTable, Shape
from dask_horn.network.encodings import check_encodings
from dask_horn.network.initial import initial_values
from dask_horn.network.layers import Dense, Layer, MissingIndicator
from dask_horn.network.losses import LOSSES, checked_loss
from dask_horn.network.placed import INPUT, OUTPUT, PlacedLayer, place, with_names
from dask_horn.network.sequences import (
    Standardizing,
    check_sequences,
    mask_value_of,
    standardizing_of,
)
from dask_horn.network.summary import Division, table_of

# How many layers a line of text shows: of more the first ones, and the last two.
_MOST_SHOWN, _MOST_WIDTHS, _FIRST_SHOWN = 12, 8, 4


@dataclass(frozen=True, init=False, repr=False)
class Network:
    """A description of a network: its layers, the shape of a sample, and the loss.

    Parameters
    ----------
    layers : sequence of Layer
        From the input to the output. The last is a `Dense` with activation "linear" and one unit
        per class, label or value: the loss applies softmax or sigmoid itself. Its name is
        ``output``. Other layers without a name get ``dense_1``, ``dropout_1`` and so on.
    input_shape : int or sequence of int
        The shape of one sample. A `Dense` as the first layer takes a sample of several dimensions
        as one row.
    loss : str, default "cross_entropy"
        One of cross_entropy (one class per sample), binary_cross_entropy (several labels per
        sample), squared_error and huber (values).

    Attributes
    ----------
    layers : tuple of Layer
        The layers as they were given.
    input_shape : tuple of int
        The shape of one sample.
    loss : str
        The loss's name.

    Raises
    ------
    TypeError, ValueError
        If the layers do not make a network: there are none, something is not a layer, the last one
        is not a linear `Dense`, names clash, or shapes do not fit; or if the loss is unknown.

    Examples
    --------
    >>> from dask_horn.network import Dense, Dropout, Network
    >>> network = Network([Dense(800, activation="relu"), Dropout(0.5), Dense(10)], input_shape=784)
    >>> print(network.summary())
    layer      what                           output shape  parameters
    dense_1    Dense(800, activation='relu')  (800,)           628,000
    dropout_1  Dropout(0.5)                   (800,)                 0
    output     Dense(10)                      (10,)              8,010
    total                                                      636,010
    >>> network.unit_axes
    {'input': 784, 'dense_1': 800, 'output': 10}
    """

    layers: tuple[Layer, ...]
    input_shape: Shape
    loss: str

    def __init__(
        self,
        layers: Iterable[Layer],
        input_shape: int | Iterable[int],
        loss: str = "cross_entropy",
    ) -> None:
        object.__setattr__(self, "layers", _checked_layers(layers))
        object.__setattr__(self, "input_shape", _checked_shape(input_shape))
        object.__setattr__(self, "loss", checked_loss(loss))
        _check_output(self.layers[-1], self.loss)
        check_encodings(self.layers)
        check_sequences(self.placed, self.loss)  # names and shapes, too

    @cached_property
    def placed(self) -> tuple[PlacedLayer, ...]:
        """The layers in their places: with names, shapes and unit axes."""
        return place(with_names(self.layers), self.input_shape)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """One sample's shape after each layer."""
        return tuple(placed.outputs.shape for placed in self.placed)

    @cached_property
    def parameters(self) -> ParameterTable:
        """The table of all parameters in their one vector."""
        return ParameterTable.lay_out(tensor for placed in self.placed for tensor in placed.tensors)

    @cached_property
    def statistics(self) -> ParameterTable:
        """The table of what is measured, not trained: mean and variance of each `BatchNorm`."""
        return ParameterTable.lay_out(
            tensor for placed in self.placed for tensor in placed.layer.statistics(placed.inputs)
        )

    @property
    def unit_axes(self) -> dict[str, int]:
        """Number of units of each unit axis: the input, the hidden layers, the output.

        What encodings append belongs to the input.
        """
        axes: dict[str, int] = {}
        for placed in self.placed:
            # The first layers may see the input before it is flattened, or encoded.
            if placed.inputs.axis == INPUT:
                axes[INPUT] = placed.inputs.units
            if placed.outputs.axis != placed.inputs.axis:
                axes[placed.outputs.axis] = placed.outputs.units
        return axes

    @property
    def divided_axes(self) -> tuple[str, ...]:
        """The unit axes that are divided among sub-models: those of the hidden layers."""
        return tuple(axis for axis in self.unit_axes if axis not in (INPUT, OUTPUT))

    @property
    def shared_tensors(self) -> tuple[str, ...]:
        """The tensors that every sub-model holds as a whole, such as the output layer's bias.

        All others span a divided axis, and each of their entries has at most one holder.
        """
        divided = set(self.divided_axes)
        return tuple(
            tensor.name for tensor in self.parameters.tensors if divided.isdisjoint(tensor.axes)
        )

    @property
    def n_inputs(self) -> int:
        """Number of values in one sample."""
        return math.prod(self.input_shape)

    @property
    def n_outputs(self) -> int:
        """Number of output units."""
        return self.placed[-1].outputs.units

    @property
    def output_rows(self) -> int:
        """Rows of a sample's output: its steps if there is an output for each, else 1."""
        return self.placed[-1].outputs.rows

    @property
    def mask_value(self) -> float | None:
        """The value of all features of padding, as stored; None without padding."""
        return mask_value_of(self.placed)

    @property
    def standardizing(self) -> Standardizing:
        """Whose mean and variance standardize the samples.

        "features": each feature's own, if the first layer takes a sample as one row. "units": those
        of a channel over all positions or steps, if the first layer keeps them apart. "none": not
        at all, because the samples are tokens.
        """
        return standardizing_of(self.placed)

    @property
    def measures(self) -> bool:
        """Whether some initial values are measured on samples, such as the edges of bins."""
        return any(layer.measures for layer in self.layers)

    @property
    def takes_missing(self) -> bool:
        """Whether samples may have missing values (NaN), because a layer takes their place."""
        return any(isinstance(layer, MissingIndicator) for layer in self.layers)

    def initial_values(
        self, seed: int, member: int = 0, samples: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Draw the initial parameters, and measure those that follow from samples.

        Parameters
        ----------
        seed, member : int
            As for `initial_values`.
        samples : ndarray of float32, (n, n_inputs), optional
            Standardized samples, with NaN where a value is missing. Without them, what would be
            measured is 0: the bins of a `PiecewiseLinear` then always are.

        Returns
        -------
        ndarray of float32, (parameters.size,)

        Raises
        ------
        TypeError, ValueError
            If the seed is not an integer of at least 0, or the samples have another shape.
        """
        vector = initial_values(self.parameters, seed, member)
        if samples is not None and self.measures:
            if samples.shape[1:] != (self.n_inputs,):
                raise ValueError(
                    f"samples must be rows of {self.n_inputs} values, got the shape {samples.shape}"
                )
            for name, values in self.measured(samples).items():
                self.parameters.view(vector, name)[...] = values
        return vector

    def measured(self, samples: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return the initial values that are measured, by the names of tensors.

        `samples` are standardized rows, (n, n_inputs), with NaN where a value is missing.
        """
        return {
            name: values
            for placed in self.placed
            for name, values in placed.layer.measured(placed.inputs, samples).items()
        }

    def division(self, n_submodels: int) -> Division:
        """Return what each of so many sub-models holds on average, and all of them together.

        Raises
        ------
        ValueError
            If a divided axis has fewer units than there are sub-models.
        """
        axes = self.divided_axes
        most = min((self.unit_axes[axis] for axis in axes), default=None)
        checked_integer("n_submodels", n_submodels, 1, most)
        return Division.of(self.parameters, axes, self.shared_tensors, n_submodels)

    def summary(self, n_submodels: int | Iterable[int] = ()) -> str:
        """Return a table of the layers, their output shapes and numbers of parameters.

        Parameters
        ----------
        n_submodels : int or sequence of int, optional
            For each number a column more: how many parameters a sub-model holds on average of a
            network that is divided into so many. Below are its share of the network's parameters,
            and that of all sub-models together. What is missing there to 100 % connects units of
            different sub-models.

        Examples
        --------
        >>> layers = [Dense(800, "relu"), Dense(800, "relu"), Dense(10)]
        >>> print(Network(layers, input_shape=784).summary(n_submodels=(2, 4)))
        layer     what                           output shape  parameters  each of 2  each of 4
        dense_1   Dense(800, activation='relu')  (800,)           628,000    314,000    157,000
        dense_2   Dense(800, activation='relu')  (800,)           640,800    160,400     40,200
        output    Dense(10)                      (10,)              8,010      4,010      2,010
        total                                                   1,276,810    478,410    199,210
        share                                                                  37.5%      15.6%
        together                                                               74.9%      62.4%
        """
        numbers = n_submodels if isinstance(n_submodels, Iterable) else (n_submodels,)
        return table_of(self.placed, [self.division(number) for number in numbers])

    def _repr_html_(self) -> str:
        from dask_horn.diagnostics.forms import network_html

        return network_html(self)

    def to_json(self) -> str:
        """Return the network as JSON text for `from_json`."""
        return json_form.write(self.layers, self.input_shape, self.loss)

    @classmethod
    def from_json(cls, text: str) -> Network:
        """Return the network that `to_json` has written.

        Parameters
        ----------
        text : str
            JSON text.

        Raises
        ------
        ModelFormatError
            If the text is not JSON, does not describe a valid network, or has a layer, field or
            format version that this dask_horn does not know.

        Examples
        --------
        >>> network = Network([Dense(10)], input_shape=784)
        >>> Network.from_json(network.to_json()) == network
        True
        """
        fields = json_form.read(text)
        try:
            return cls(*fields)
        except (TypeError, ValueError) as error:
            raise ModelFormatError(f"a network's JSON is not valid: {error}") from error

    @property
    def widths(self) -> str:
        """The input's shape and the units of each layer in a few characters: ``784-800-10``."""
        widths = [str(units) for axis, units in self.unit_axes.items() if axis != INPUT]
        if len(widths) > _MOST_WIDTHS:
            widths[_FIRST_SHOWN:-2] = ["…"]
        return "-".join(["×".join(map(str, self.input_shape)), *widths])

    def __repr__(self) -> str:
        shown = [repr(layer) for layer in self.layers]
        if len(shown) > _MOST_SHOWN:  # no Python then, but what a person reads in one look
            shown[_FIRST_SHOWN:-2] = [f"… {len(shown) - _FIRST_SHOWN - 2} more layers …"]
        layers = ", ".join(shown)
        shape = self.input_shape[0] if len(self.input_shape) == 1 else self.input_shape
        return f"Network([{layers}], input_shape={shape}, loss={self.loss!r})"


def _checked_layers(layers: Any) -> tuple[Layer, ...]:
    if isinstance(layers, str) or not isinstance(layers, Iterable):
        raise TypeError(f"layers must be a sequence of layers such as [Dense(10)], got {layers!r}")
    checked = tuple(layers)
    for index, layer in enumerate(checked):
        if not isinstance(layer, Layer):
            raise TypeError(f"layers[{index}] must be a layer such as Dense(10), got {layer!r}")
    if not checked:
        raise ValueError("layers must have at least the output layer, such as Dense(10), got none")
    return checked


def _checked_shape(input_shape: Any) -> Shape:
    if isinstance(input_shape, str) or not isinstance(input_shape, Iterable):
        return (checked_integer("input_shape", input_shape, 1),)
    shape = tuple(
        checked_integer(f"input_shape[{index}]", length, 1)
        for index, length in enumerate(input_shape)
    )
    if not shape:
        raise ValueError("input_shape must have at least one dimension, got ()")
    return shape


def _check_output(last: Layer, loss: str) -> None:
    if not isinstance(last, Dense) or last.activation != "linear":
        raise ValueError(
            f"the last of the layers must be a Dense with activation 'linear', because the loss "
            f"applies softmax or sigmoid itself, got {last!r}"
        )
    if last.units < LOSSES[loss].min_outputs:
        raise ValueError(
            f"loss {loss!r} needs at least {LOSSES[loss].min_outputs} output units, got {last!r}; "
            f"use one unit per class, or 'binary_cross_entropy'"
        )
