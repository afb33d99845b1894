"""What tasks hand to each other between trainings: whole parents, their parts, slices to train.

Each tells Dask its size, which else would take it for next to nothing: Dask puts tasks where moving
their inputs costs least, and counts what a worker holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dask_horn.records import SubmodelReport

Floats = NDArray[np.float32]

#: Vectors that the outer step keeps between rounds, laid out like the parameters.
States = tuple[Floats, ...]


@dataclass(frozen=True, eq=False)
class Slice:
    """What a sub-model's training starts from.

    Attributes
    ----------
    parameters : ndarray of float32, (n_slice,)
    """

    parameters: Floats

    def __sizeof__(self) -> int:
        return int(self.parameters.nbytes)


@dataclass(frozen=True, eq=False)
class Part(Slice):
    """The part of a parent that one sub-model holds: it stays where it is trained.

    Attributes
    ----------
    round : int
        Rounds that it has been through.
    states : tuple of ndarray of float32, (n_slice,)
        The outer step's, one vector for each of its `n_states`.
    """

    round: int
    states: States

    def __sizeof__(self) -> int:
        return super().__sizeof__() + sum(int(state.nbytes) for state in self.states)


@dataclass(frozen=True, eq=False)
class Whole:
    """A whole parent between rounds.

    Attributes
    ----------
    round : int
        Rounds that it has been through.
    parameters : ndarray of float32, (n_parameters,)
    states : tuple of ndarray of float32, (n_parameters,)
        The outer step's, one vector for each of its `n_states`.
    reports : tuple of SubmodelReport
        Of the round that made it, where its groups drew partitions of their own.
    statistics : ndarray of float32, (n_statistics,), or None
        What it predicts with besides parameters, once that has been measured.
    """

    round: int
    parameters: Floats
    states: States
    reports: tuple[SubmodelReport, ...] = ()
    statistics: Floats | None = None

    @classmethod
    def start(cls, parameters: Floats, n_states: int, round: int = 0) -> Whole:
        """Return a parent whose outer step has no past."""
        return cls(round, parameters, tuple(np.zeros_like(parameters) for _ in range(n_states)))

    def __sizeof__(self) -> int:
        vectors = [self.parameters, *self.states]
        if self.statistics is not None:
            vectors.append(self.statistics)
        return sum(int(vector.nbytes) for vector in vectors)
