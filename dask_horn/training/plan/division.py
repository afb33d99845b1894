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
_FEWEST_ROWS = 10_000  # of 1,500 two parts of 256 units learn less, and there is no time to save


@dataclass(frozen=True)
class _Kind:
    """What dividing the layers of a kind costs.

    Attributes
    ----------
    units : str
        What a part has of such a layer, as people say.
    fewest : int or None
        How many of them a part needs in order to cost nothing; None where every division that was
        measured has cost some.
    costs : tuple of pair of (int, float)
        The most units of a part, from few to many, and how many points of accuracy that loses.
    measured : str
        Where.
    """

    units: str
    fewest: int | None
    costs: tuple[tuple[int, float], ...]
    measured: str

    def points(self, part: int) -> float | None:
        """Return what parts of so many units lose; None where it was not measured."""
        for most, points in self.costs:
            if part <= most:
                return points
        return None if self.fewest is None else 0.0


_DENSE = _Kind("units", 256, ((8, 14), (16, 9), (32, 5), (64, 2), (255, 0.5)), "letter_recognition")
_FILTERS = _Kind("filters", None, ((8, 4.5), (16, 4), (32, 0.8)), "half of CIFAR-10")
_RECURRENT = _Kind("units", None, ((16, 7), (32, 6), (64, 5)), "tiny Shakespeare")
_KINDS = {"conv2d": _FILTERS, "lstm": _RECURRENT, "gru": _RECURRENT, "simple_rnn": _RECURRENT}


def auto_submodels(network: Network, n_samples: int) -> int:
    """Return the number of sub-models that costs no accuracy; 1 leaves the network undivided.

    It is a power of two, at most 8, that leaves each part 256 units of every dense layer. Networks
    with filters or recurrent units, and few rows, are not divided.

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
    allowed = [units // kind.fewest if kind.fewest else 1 for _, units, kind in _divided(network)]
    number = 1
    while 2 * number <= min(allowed, default=1) and number < _MOST:
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
    """Say what so many sub-models cost, of a network that has something to divide.

    It names the layer whose parts lose the most.

    Examples
    --------
    >>> from dask_horn.network import Dense
    >>> network = Network([Dense(64, "relu"), Dense(10)], input_shape=784)
    >>> loss_of(network, 4)
    'leaves a part 16 units of dense_1, which cost 9 points of accuracy on letter_recognition'
    """
    layers = [(axis, units // n_submodels, kind) for axis, units, kind in _divided(network)]
    # Of equal ones the narrowest; what was not measured comes last.
    axis, part, kind = min(layers, key=lambda one: (-(one[2].points(one[1]) or 0), one[1]))
    points = kind.points(part)
    if points is None:
        cost = "may cost accuracy; that was not measured"
    elif points:
        cost = f"cost {points:g} points of accuracy on {kind.measured}"
    else:
        cost = f"cost nothing on {kind.measured}"
    return f"leaves a part {part} {kind.units} of {axis}, which {cost}"


def _divided(network: Network) -> Iterator[tuple[str, int, _Kind]]:
    """Name each divided layer, its units, and what kind it is of."""
    for placed in network.placed:
        axis = placed.outputs.axis
        if axis in network.divided_axes and axis != placed.inputs.axis:
            yield axis, placed.outputs.units, _KINDS.get(placed.layer.kind, _DENSE)
