"""Dropout per example and unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.checks import checked_number
from dask_horn.network.elements.signals import Signal
from dask_horn.network.layers.base import Layer


@dataclass(frozen=True, repr=False)
class Dropout(Layer):
    """Dropout: in training each unit of each sample is zero with probability `rate`.

    Units that are kept are divided by ``1 - rate`` (inverted dropout), so prediction needs no
    scaling [1]_.

    Attributes
    ----------
    rate : float
        Probability that a unit is dropped, at least 0 and below 1.
    name : str, optional
        Letters, digits and underscores. By default the network chooses ``dropout_1``,
        ``dropout_2`` and so on.

    Raises
    ------
    TypeError, ValueError
        If the rate is not a number, or not within [0, 1).

    References
    ----------
    .. [1] Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov: Dropout: A Simple Way to
       Prevent Neural Networks from Overfitting, JMLR 15, 2014, section 10.

    Examples
    --------
    >>> Dropout(0.5)
    Dropout(0.5)
    >>> Dropout(1)
    Traceback (most recent call last):
    ...
    ValueError: rate must be a number of at least 0 and below 1, got 1
    """

    kind: ClassVar[str] = "dropout"

    rate: float

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "rate", checked_number("rate", self.rate, at_least=0, below=1))

    def outputs(self, inputs: Signal) -> Signal:
        """Return `inputs`; see `Layer.outputs`."""
        return inputs
