"""Into how many sub-models a network is divided where the user does not say, and what it costs.

The rule asks for the network and the number of rows only, never for workers: the result must not
depend on how many there are. What dividing costs was measured; the tables are in
docs/research/division.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dask_horn.network import Network

AUTO = "auto"
_MOST = 8  # more was not measured
_FEWEST_ROWS = 10_000  # below, an undivided round takes a second or less


@dataclass(frozen=True)
class _Kind:
    """What dividing the layers of a kind costs.

    Attributes
    ----------
    units : str
        What a part has of such a layer, as people say.
    fewest : int
        How many of them a part needs in order to cost nothing.
    costs : tuple of pair of (int, float)
        The most units of a part, from few to many, and how many points that loses.
    score : str
        What is counted in points.
    measured : str
        Where.
    """

    units: str
    fewest: int
    costs: tuple[tuple[int, float], ...]
    score: str
    measured: str


_DENSE = _Kind(
    "units", 256, ((8, 14), (16, 9), (32, 5), (64, 2), (255, 0.5)), "accuracy", "letter_recognition"
)
_FILTERS = _Kind("filters", 64, ((8, 3.0),), "accuracy", "half of CIFAR-10")
_RECURRENT = _Kind("units", 256, ((32, 2.0),), "accuracy", "tiny Shakespeare")
_KINDS = {"conv2d": _FILTERS, "lstm": _RECURRENT, "gru": _RECURRENT, "simple_rnn": _RECURRENT}


def auto_submodels(network: Network, n_samples: int) -> int:
    """Return the number of sub-models that costs no accuracy; 1 leaves the network undivided.

    It is a power of two, at most 8, of which each part has enough units of every divided layer:
    256 of a dense layer.

    Parameters
    ----------
    network : Network
    n_samples : int
        Training samples.

    Examples
    --------
    >>> from dask_horn.network import Dense
    >>> layers = [Dense(2048, "relu"), Dense(2048, "relu"), Dense(10)]
    >>> auto_submodels(Network(layers, input_shape=784), n_samples=60_000)
    8
    """
    if n_samples < _FEWEST_ROWS:
        return 1
    number = 1
    layers = list(_divided(network))
    while layers and number < _MOST:
        if any(units < 2 * number * kind.fewest for _, units, kind in layers):
            break
        number *= 2
    return number


def multiplications(network: Network, n_submodels: int) -> float:
    """Multiplications by one of so many equal sub-models, for one sample."""
    divided = set(network.divided_axes)
    weights = 0.0
    for tensor in network.parameters.tensors:
        cuts = sum(axis in divided for axis in tensor.axes)
        weights += tensor.uses * tensor.size / float(n_submodels) ** cuts
    return weights


def share_of_arithmetic(network: Network, n_submodels: int) -> float:
    """Return what a round of so many sub-models has of the arithmetic of an undivided one."""
    return n_submodels * multiplications(network, n_submodels) / multiplications(network, 1)


def loss_of(network: Network, n_submodels: int) -> str:
    """Say what so many sub-models cost in the layer whose parts are the narrowest for their kind.

    Examples
    --------
    >>> from dask_horn.network import Dense
    >>> network = Network([Dense(64, "relu"), Dense(10)], input_shape=784)
    >>> loss_of(network, 4)
    'leaves a part 16 units of dense_1, which cost 9 points of accuracy on letter_recognition'
    """
    axis, units, kind = min(_divided(network), key=lambda one: one[1] / one[2].fewest)
    part = units // n_submodels
    points = next((points for most, points in kind.costs if part <= most), 0.0)
    cost = f"cost {points:g} points of {kind.score}" if points else "cost nothing"
    return f"leaves a part {part} {kind.units} of {axis}, which {cost} on {kind.measured}"


def _divided(network: Network) -> Iterator[tuple[str, int, _Kind]]:
    """Name each divided layer, its units, and what kind it is of."""
    for placed in network.placed:
        axis = placed.outputs.axis
        if axis in network.divided_axes and axis != placed.inputs.axis:
            yield axis, placed.outputs.units, _KINDS.get(placed.layer.kind, _DENSE)
