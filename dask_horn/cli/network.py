"""The network that `dask-horn train` makes: its options, and what y asks for."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from dask_horn.cli.command import Told, integers, option

if TYPE_CHECKING:
    from dask_horn.data import SampleForm, SampleStore
    from dask_horn.network import Layer, Network

__all__ = ["NetworkOptions", "network_options"]

# Other ways to tell the hidden layers.
_REPLACED = ("hidden", "activation", "dropout", "dropconnect")

_OPTIONS = (
    option(
        "--hidden",
        callback=integers,
        default="256,256",
        metavar="N[,N…]",
        section="Network",
        help="Units of each hidden layer.",
    ),
    option(
        "--layers",
        metavar="LAYERS",
        section="Network",
        help="The hidden layers themselves, as Python makes them, in place of --hidden, "
        "--activation, --dropout and --dropconnect; the output layer follows from y.",
    ),
    option(
        "--input-shape",
        callback=integers,
        metavar="N[,N…]",
        section="Network",
        help="Shape of a sample, as --layers sees it; by default that of the store.",
    ),
    option(
        "--activation",
        type=click.Choice(["relu", "tanh", "sigmoid", "gelu", "leaky_relu"]),
        metavar="NAME",
        default="relu",
        section="Network",
        help="Of the hidden layers: relu, tanh, sigmoid, gelu or leaky_relu.",
    ),
    option(
        "--dropout",
        type=float,
        metavar="RATE",
        default=0.2,
        section="Network",
        help="Share of each hidden layer's outputs that a step drops.",
    ),
    option(
        "--dropconnect",
        type=float,
        metavar="RATE",
        default=0.0,
        section="Network",
        help="Share of each hidden layer's weights that a step drops, for each sample others; "
        "beside --dropout, which 0 turns off.",
    ),
    option(
        "--regression",
        is_flag=True,
        section="Network",
        help="Predict values though y holds integers; floats always are values.",
    ),
)


@dataclass(frozen=True)
class NetworkOptions:
    """What the command line says of the network.

    Attributes
    ----------
    hidden : tuple of int
        Units of each hidden layer.
    layers : str or None
        The hidden layers as Python makes them, in place of the other ways to tell them.
    input_shape : tuple of int or None
        Of a sample; that of the store where None.
    activation : str
    dropout, dropconnect : float
    regression : bool
        Whether integers are values and not classes.
    """

    hidden: tuple[int, ...]
    layers: str | None
    input_shape: tuple[int, ...] | None
    activation: str
    dropout: float
    dropconnect: float
    regression: bool

    def network(self, samples: SampleStore) -> Network:
        """Make the hidden layers, and add the outputs and the loss that y asks for.

        Raises
        ------
        ValueError
            If layers or shape do not go together with each other or with the samples.
        """
        from dask_horn.data import same_layout
        from dask_horn.model import sample_form
        from dask_horn.network import Dense, Network, with_outputs

        shape = self.input_shape or samples.sample_shape
        if not same_layout(shape, samples.sample_shape):
            raise ValueError(
                f"input_shape must be that of the samples, {samples.sample_shape}, but for "
                f"dimensions of 1, or one row of their {samples.n_features} values, got "
                f"{','.join(map(str, shape))}"
            )
        hidden = self._hidden()
        form = sample_form(Network([*hidden, Dense(2)], shape))
        if form.target_steps is None:
            loss, n_outputs = _task(samples, self.regression)
        else:
            loss, n_outputs = _stepwise_task(samples, self.regression, form)
        return with_outputs(hidden, n_outputs, shape, loss)

    def _hidden(self) -> list[Layer]:
        """Read what --layers says, or make dense layers, each with dropout behind it if any."""
        from dask_horn.network import Dense, Dropout
        from dask_horn.network.text_form import layers_from_text

        if self.layers is not None:
            try:
                return layers_from_text(self.layers)
            except ValueError as error:
                raise Told(f"--{error}") from None
        made: list[Layer] = []
        for units in self.hidden:
            made.append(Dense(units, activation=self.activation, dropconnect=self.dropconnect))
            if self.dropout:
                made.append(Dropout(self.dropout))
        return made


def network_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options, and hand them to the command as one argument, `network_options`."""

    @functools.wraps(command)
    def gathered(**values: Any) -> None:
        own = {item.name: values.pop(item.name) for item in dataclasses.fields(NetworkOptions)}
        if own["layers"] is not None:
            _refuse_beside_layers(click.get_current_context())
        command(network_options=NetworkOptions(**own), **values)

    for decorate in reversed(_OPTIONS):
        gathered = decorate(gathered)
    return gathered


def _refuse_beside_layers(context: click.Context) -> None:
    """Refuse the options that --layers replaces."""
    for name in _REPLACED:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise Told(
                f"--{name} says nothing beside --layers, which tells all hidden layers; leave one "
                "of them out"
            )


def _task(samples: SampleStore, values: bool) -> tuple[str, int]:
    """Choose the loss that suits what y holds; count the outputs that it needs."""
    import numpy as np

    from dask_horn.data.values.arrays import check_target_shape, plain_labels

    assert samples.y is not None and samples.y_shape is not None, "opening has asked for y"
    array = samples.y.open()
    if values or array.dtype.kind == "f":
        return "squared_error", int(np.prod(samples.y_shape))
    labels = plain_labels(np.asarray(array[...]))
    if samples.y_shape and np.isin(labels, (0, 1)).all():
        return "binary_cross_entropy", samples.y_shape[0]
    check_target_shape(array.shape, "classes")
    return "cross_entropy", len(np.unique(labels))


def _stepwise_task(samples: SampleStore, values: bool, form: SampleForm) -> tuple[str, int]:
    """Choose and count likewise, where the layers want a target for each step."""
    from dask_horn.data.values.arrays import check_target_shape
    from dask_horn.estimators.inputs import distinct_labels, n_columns

    assert samples.y is not None, "opening has asked for y"
    X, y = samples.x.open(), samples.y.open()
    values = values or y.dtype.kind == "f"
    check_target_shape(y.shape, "values" if values else "classes", form.target_steps)
    if values:
        return "squared_error", n_columns(y, form.target_steps)
    return "cross_entropy", len(distinct_labels(X, y, form))
