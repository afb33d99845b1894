"""The network of `dask-horn train`: its options, and the outputs and loss that y needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import click

from dask_horn.cli.command import OptionError, gather, integers, option

if TYPE_CHECKING:
    from dask_horn.data import SampleForm, SampleStore
    from dask_horn.network import Layer, Network
    from dask_horn.training import TrainingData

# The options that --layers replaces.
_REPLACED = ("hidden", "activation", "dropout", "dropconnect")

_network = partial(option, section="Network")

_OPTIONS = (
    _network(
        "--hidden",
        callback=integers,
        default="256,256",
        metavar="N[,N…]",
        help="Units of each hidden layer.",
    ),
    _network(
        "--layers",
        metavar="LAYERS",
        help="Hidden layers in Python's notation, as in the examples; replaces --hidden, "
        "--activation, --dropout and --dropconnect. The output layer follows from y.",
    ),
    _network(
        "--input-shape",
        callback=integers,
        metavar="N[,N…]",
        help="Shape in which --layers gets a sample; by default its shape in DATA.zarr.",
    ),
    _network(
        "--activation",
        type=click.Choice(["relu", "tanh", "sigmoid", "gelu", "leaky_relu"]),
        metavar="NAME",
        default="gelu",
        help="Activation of the hidden layers: relu, tanh, sigmoid, gelu or leaky_relu.",
    ),
    _network(
        "--dropout",
        type=float,
        metavar="RATE",
        help="Probability of dropping a hidden unit in a training step; by default 0.1 for classes "
        "and 0 for values.",
    ),
    _network(
        "--dropconnect",
        type=float,
        metavar="RATE",
        default=0.0,
        help="Probability of dropping a weight of a hidden layer in a training step. Dropout also "
        "stays on, unless you give --dropout 0.",
    ),
    _network(
        "--missing",
        type=click.Choice(["error", "indicator"]),
        default="error",
        help="What to do about missing values in X, such as NaN: refuse them, or train on the "
        "column's mean and one more input for each column that lacks values.",
    ),
    _network(
        "--regression",
        is_flag=True,
        help="Treat integers in y as values, not as classes. Floats are always values.",
    ),
)


@dataclass(frozen=True)
class NetworkOptions:
    """The options that describe the network.

    Attributes
    ----------
    hidden : tuple of int
        Units of each hidden layer.
    layers : str or None
        Hidden layers in Python's notation, in place of the options before.
    input_shape : tuple of int or None
        Shape of a sample; None for that of the store.
    activation : str
    dropout : float or None
    dropconnect : float
    missing : {"error", "indicator"}
        What to do about missing values.
    regression : bool
        Whether integers are values and not classes.

    Raises
    ------
    OptionError
        If `layers` is given beside an option that it replaces.
    """

    hidden: tuple[int, ...]
    layers: str | None
    input_shape: tuple[int, ...] | None
    activation: str
    dropout: float | None
    dropconnect: float
    missing: str
    regression: bool

    def __post_init__(self) -> None:
        if self.layers is not None:
            _refuse_beside_layers(click.get_current_context())

    def network(self, samples: SampleStore) -> Network:
        """Make the hidden layers, and add the outputs and the loss that y needs.

        Raises
        ------
        ValueError
            If layers, shape and samples do not fit together.
        """
        from dask_horn.data import same_layout
        from dask_horn.estimators.base import default_dropout
        from dask_horn.model import sample_form
        from dask_horn.network import LOSSES, Dense, MissingIndicator, Network, with_outputs

        shape = self.input_shape or samples.sample_shape
        if not same_layout(shape, samples.sample_shape):
            raise ValueError(
                f"input_shape must be the samples' shape {samples.sample_shape}, with or without "
                f"dimensions of 1, or {samples.n_features} for one row, got "
                f"{','.join(map(str, shape))}"
            )
        # For all columns, until it is found which lack values.
        first = [MissingIndicator()] if self._indicates else []
        form = sample_form(Network([*first, *self._hidden(0.0), Dense(2)], shape))
        if form.target_steps is None:
            loss, n_outputs = _task(samples, self.regression)
        else:
            loss, n_outputs = _stepwise_task(samples, self.regression, form)
        of_task = default_dropout(regression=LOSSES[loss].kind == "values")
        hidden = self._hidden(of_task if self.dropout is None else self.dropout)
        return with_outputs([*first, *hidden], n_outputs, shape, loss)

    def completion(self, network: Network) -> Callable[[TrainingData], Network] | None:
        """Return what leaves indicators to columns that lack values only, where there are some."""
        return partial(_indicating, network) if self._indicates else None

    @property
    def _indicates(self) -> bool:
        """Whether indicators are to be put before the layers, among which there are none."""
        from dask_horn.network import MissingIndicator

        layers = self._hidden(0.0)
        given = any(isinstance(layer, MissingIndicator) for layer in layers)
        return self.missing == "indicator" and not given

    def _hidden(self, dropout: float) -> list[Layer]:
        """Read --layers, or make dense layers, each followed by dropout if there is any."""
        from dask_horn.network import Dense, Dropout
        from dask_horn.network.text_form import layers_from_text

        if self.layers is not None:
            try:
                return layers_from_text(self.layers)
            except ValueError as error:
                raise OptionError(f"--{error}") from None
        made: list[Layer] = []
        for units in self.hidden:
            made.append(Dense(units, activation=self.activation, dropconnect=self.dropconnect))
            if dropout:
                made.append(Dropout(dropout))
        return made


#: Adds the options to a command, as its argument `network_options`.
network_options = gather("network_options", NetworkOptions, _OPTIONS)


def _indicating(network: Network, data: TrainingData) -> Network:
    """Return the network with indicators for the columns that lack values only."""
    import numpy as np

    from dask_horn.network import MissingIndicator, Network

    assert data.found.n_missing is not None, "the network takes missing values"
    columns = tuple(np.flatnonzero(data.found.n_missing).tolist())
    return Network(
        [MissingIndicator(columns), *network.layers[1:]], network.input_shape, network.loss
    )


def _refuse_beside_layers(context: click.Context) -> None:
    """Refuse the options that --layers replaces, where they are given."""
    for name in _REPLACED:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise OptionError(
                f"--{name} cannot be used with --layers, which lists all hidden layers; leave one "
                "of them out"
            )


def _task(samples: SampleStore, values: bool) -> tuple[str, int]:
    """Choose the loss by what y holds, and count the outputs."""
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
    """Choose and count likewise, if the layers need a target for each step."""
    from dask_horn.data.values.arrays import check_target_shape
    from dask_horn.estimators.inputs import distinct_labels, n_columns

    assert samples.y is not None, "opening has asked for y"
    X, y = samples.x.open(), samples.y.open()
    values = values or y.dtype.kind == "f"
    check_target_shape(y.shape, "values" if values else "classes", form.target_steps)
    if values:
        return "squared_error", n_columns(y, form.target_steps)
    return "cross_entropy", len(distinct_labels(X, y, form))
