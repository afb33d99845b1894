"""The output layer, for networks of which only the hidden layers are given."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from dask_horn.network.layers import Dense, Layer
from dask_horn.network.network import Network


def with_outputs(
    hidden: Sequence[Layer], n_outputs: int, input_shape: int | Sequence[int], loss: str
) -> Network:
    """Return the network of these hidden layers and a linear output layer.

    Parameters
    ----------
    hidden : sequence of Layer
    n_outputs : int
        Units of the output layer.
    input_shape : int or sequence of int
        Shape of one sample.
    loss : str
        The loss, as for `Network`.

    Warns
    -----
    UserWarning
        If the last of the layers seems to be an output layer already.

    Examples
    --------
    >>> with_outputs([Dense(8, activation="relu")], 3, 5, "cross_entropy").n_outputs
    3
    """
    last = hidden[-1] if hidden else None
    if isinstance(last, Dense) and last.units == n_outputs and last.activation == "linear":
        warnings.warn(
            f"layers end with {last!r}, which looks like an output layer, but layers are "
            "the hidden ones, and the output layer is added to them; leave this one out, or give "
            "it an activation",
            UserWarning,
            stacklevel=3,
        )
    return Network([*hidden, Dense(n_outputs)], input_shape, loss)
