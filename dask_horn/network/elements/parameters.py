"""The parameter table: where each tensor lies in a model's one float32 vector.

A tensor knows the unit axis of each of its dimensions. That is all that dividing a model needs:
a sub-model restricts axes, whatever layer the tensor belongs to.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dask_horn.checks import checked_integer
from dask_horn.rounding import round_up

ALIGNMENT = 16  # float32 elements: 64 bytes, a cache line and an AVX-512 register

Shape = tuple[int, ...]
ScalarT = TypeVar("ScalarT", bound=np.generic)


@dataclass(frozen=True)
class TensorSpec:
    """One parameter tensor of a layer.

    Attributes
    ----------
    name : str
        Layer and tensor, such as ``"dense_1/W"``.
    shape : tuple of int
        Its shape; for Dense ``(in, out)`` and ``(out,)``.
    axes : tuple of (str or None)
        The unit axis of each dimension; None where a dimension counts no units.
    fan_in, fan_out : int
        Number of units of the whole network that feed one unit, and that one unit feeds. A
        restricted table keeps them, since the initial values were drawn by them.
    activation : str
        The activation that follows; it decides how initial values are drawn.
    decays : bool
        Whether weight decay applies: True for weights, False for biases.
    source : str or None
        The unit axis that a product with the tensor sums over; None if there is no product, as for
        a bias.
    uses : int
        Number of products per sample: the positions of a convolution, the steps of a sequence.
    fill : tuple of float
        Initial values of a tensor without a source: one for all, or one per index of its first
        axis.
    deviation : float
        Standard deviation of the normal distribution that the initial values of a tensor without a
        source are drawn from; 0 where `fill` tells them.
    trained : bool
        Whether training changes it. If not, it has no gradient, all sub-models have it as a whole,
        and it keeps its values in every merge.
    offset : int
        First element in the vector, in float32 elements; a multiple of 16.

    Examples
    --------
    >>> TensorSpec("dense_1/b", (3,), ("dense_1",), 4, 3, "relu", decays=False).size
    3
    """

    name: str
    shape: Shape
    axes: tuple[str | None, ...]
    fan_in: int
    fan_out: int
    activation: str
    decays: bool
    source: str | None = None
    uses: int = 1
    fill: tuple[float, ...] = (0.0,)
    deviation: float = 0.0
    trained: bool = True
    offset: int = 0

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def bias(self, name: str, shape: Shape, axes: tuple[str | None, ...]) -> TensorSpec:
        """Return the bias that goes with this weight; it does not decay."""
        return replace(self, name=name, shape=shape, axes=axes, decays=False, source=None, uses=1)


@dataclass(frozen=True)
class ParameterTable(Mapping[str, TensorSpec]):
    """The tensors of a model in the order of its vector; a mapping from their names.

    Attributes
    ----------
    tensors : tuple of TensorSpec
        Every tensor, with its offset.

    Examples
    --------
    >>> from dask_horn.network import Dense, Network
    >>> table = Network([Dense(3, activation="relu"), Dense(2)], input_shape=4).parameters
    >>> list(table)
    ['dense_1/W', 'dense_1/b', 'output/W', 'output/b']
    >>> table.n_parameters, table.size
    (23, 64)
    >>> table.restrict({"dense_1": 2})["output/W"].shape
    (2, 2)
    """

    tensors: tuple[TensorSpec, ...]

    @classmethod
    def lay_out(cls, tensors: Iterable[TensorSpec]) -> ParameterTable:
        """Place the tensors one after the other, each at a multiple of 64 bytes."""
        placed: list[TensorSpec] = []
        offset = 0
        for tensor in tensors:
            placed.append(replace(tensor, offset=offset))
            offset += round_up(tensor.size, ALIGNMENT)
        return cls(tuple(placed))

    @property
    def size(self) -> int:
        """Length of the vector in float32 elements, padding included; a multiple of 16."""
        if not self.tensors:
            return 0
        last = self.tensors[-1]
        return last.offset + round_up(last.size, ALIGNMENT)

    @property
    def n_parameters(self) -> int:
        """Number of parameters, without padding; those that are not trained are among them."""
        return sum(tensor.size for tensor in self.tensors)

    @property
    def n_untrained(self) -> int:
        """Number of the parameters that are not trained."""
        return sum(tensor.size for tensor in self.tensors if not tensor.trained)

    def view(self, vector: NDArray[ScalarT], name: str) -> NDArray[ScalarT]:
        """Return the named tensor as a view of the vector, in the tensor's shape.

        Parameters
        ----------
        vector : ndarray of shape (size,)
            Parameters, gradients, or anything else with this layout.
        name : str
            The tensor's name.

        Raises
        ------
        KeyError
            If the table has no such tensor.
        ValueError
            If the vector does not have the length of the table.

        Examples
        --------
        >>> import numpy as np
        >>> from dask_horn.network import Dense, Network
        >>> table = Network([Dense(2)], input_shape=3).parameters
        >>> vector = np.zeros(table.size, np.float32)
        >>> table.view(vector, "output/b")[:] = 7
        >>> float(vector.sum())
        14.0
        """
        tensor = self[name]
        self._check_length(vector)
        return vector[tensor.offset : tensor.offset + tensor.size].reshape(tensor.shape)

    def as_dict(self, vector: NDArray[ScalarT]) -> dict[str, NDArray[ScalarT]]:
        """Return every tensor by name, each a view of the vector of shape (size,).

        Raises
        ------
        ValueError
            If the vector does not have the length of the table.
        """
        return {name: self.view(vector, name) for name in self}

    def restrict(self, sizes: Mapping[str, int]) -> ParameterTable:
        """Return the table of a sub-model: the same tensors with shorter axes, and a new layout.

        Parameters
        ----------
        sizes : mapping of str to int
            Number of units that the sub-model has, for each divided unit axis.

        Raises
        ------
        ValueError
            If no tensor spans an axis, or the axis has fewer units.
        """
        lengths = self.axis_lengths
        unknown = [axis for axis in sizes if axis not in lengths]
        if unknown:
            raise ValueError(
                f"sizes must have unit axes of the table ({', '.join(lengths)}), got {unknown[0]!r}"
            )
        for axis, size in sizes.items():
            checked_integer(f"sizes[{axis!r}]", size, 1, lengths[axis])
        return ParameterTable.lay_out(
            replace(tensor, shape=_restricted(tensor, sizes)) for tensor in self.tensors
        )

    def __getitem__(self, name: str) -> TensorSpec:
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(self._by_name)
            raise KeyError(f"no tensor {name!r} in the table; it has {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self.tensors)

    @cached_property
    def _by_name(self) -> dict[str, TensorSpec]:
        return {tensor.name: tensor for tensor in self.tensors}

    @cached_property
    def axis_lengths(self) -> dict[str, int]:
        """Number of units of each unit axis that a tensor spans."""
        return {
            axis: length
            for tensor in self.tensors
            for axis, length in zip(tensor.axes, tensor.shape, strict=True)
            if axis is not None
        }

    def _check_length(self, vector: NDArray[Any]) -> None:
        if vector.shape != (self.size,):
            raise ValueError(
                f"vector must have the table's shape ({self.size},), got {vector.shape}"
            )


def _restricted(tensor: TensorSpec, sizes: Mapping[str, int]) -> Shape:
    return tuple(
        length if axis is None else int(sizes.get(axis, length))
        for axis, length in zip(tensor.axes, tensor.shape, strict=True)
    )
