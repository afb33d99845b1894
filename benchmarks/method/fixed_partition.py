"""Sub-models of a partition that never changes: separate networks, and the parent they make.

With one partition for all rounds, nothing is ever trained between sub-models, so each is a
narrow network of its own; only the output's bias would be shared, and here each keeps its own.
The parent whose blocks between them are zero has the mean of their logits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dask_horn as horn
from dask_horn.cluster import current_executor, limit_blas
from dask_horn.network import Dense, Network
from dask_horn.partition import Partition
from dask_horn.program import submodel_scales
from dask_horn.training import Known, TrainingOptions
from dask_horn.training.prepare import make_spec, prepare_data
from dask_horn.training.spec import RunSpec
from dask_horn.training.submodel import train_submodel

__all__ = ["FixedPartition", "train"]

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FixedPartition:
    """What training with one partition for all rounds gives.

    Attributes
    ----------
    spec : RunSpec
    partition : Partition
        Into equal parts.
    vectors : sequence of ndarray of float32
        Each sub-model's parameters, as it was trained: at its scales.
    """

    spec: RunSpec
    partition: Partition
    vectors: Sequence[Array]

    def votes(self) -> horn.Ensemble:
        """The sub-models as networks of their own: the mean of their probabilities."""
        members = []
        for submodel, vector in enumerate(self.vectors):
            network = self._narrow_network(submodel)
            own = scaled(network, vector, self._scales(submodel))
            members.append(horn.Model(network, own, self.spec.standardizer, self.spec.targets))
        return horn.Ensemble(tuple(members))

    def parent(self) -> horn.Model:
        """The parent that they make: the softmax of the mean of their logits."""
        spec = self.spec
        table, last_axis = spec.network.parameters, spec.network.divided_axes[-1]
        whole = np.zeros(table.size, np.float32)
        for submodel, vector in enumerate(self.vectors):
            scales = self._scales(submodel)
            del scales["output"]  # it is 1 / share: the parent's sum is the mean by itself
            places = self.partition.slice_map(table, submodel)
            own = scaled(self._narrow_network(submodel), vector, scales)
            if "output/b" in places.table:  # all of them hold it: their mean, by their shares
                share = self.partition.fractions(submodel)[last_axis]
                places.table.view(own, "output/b")[...] *= share
            places.put(own, whole)
        return horn.Model(spec.network, whole, spec.standardizer, spec.targets)

    def _scales(self, submodel: int) -> dict[str, float]:
        shares = self.partition.fractions(submodel)
        return submodel_scales(self.spec.network, shares, self.spec.hidden_exponent)

    def _narrow_network(self, submodel: int) -> Network:
        network = self.spec.network
        layers = [
            dataclasses.replace(layer, units=int(self.partition.sizes(layer.name)[submodel]))
            if isinstance(layer, Dense) and layer.name in network.divided_axes
            else layer
            for layer in network.named_layers
        ]
        return Network(layers, network.input_shape, network.loss)


def train(network: Network, X: Any, y: Any, *, n_submodels: int, **settings: Any) -> FixedPartition:
    """Train each sub-model of one partition through all rounds, alone.

    Parameters
    ----------
    network : Network
    X, y
        As `dask_horn.train` takes them.
    n_submodels : int
    **settings
        Of `TrainingOptions`.
    """
    options = TrainingOptions.of(
        **settings, n_submodels=[n_submodels], n_groups=1, concentration=None
    )
    executor = current_executor()
    with executor.running(()):
        data = prepare_data(network, X, y, None, options, Known(), executor, None)
        spec = make_spec(network, data, options, Known())
    partition = Partition.draw(network, n_submodels, spec.seed, concentration=None)
    initial = network.initial_values(spec.seed)
    vectors = []
    with limit_blas():
        for submodel in range(n_submodels):
            vector = partition.slice_map(network.parameters, submodel).take(initial)
            for round in range(options.n_rounds):
                vector = vector + train_submodel(spec, vector, partition, round, 0, submodel).delta
            vectors.append(vector)
    return FixedPartition(spec, partition, vectors)


def scaled(network: Network, vector: Array, scales: Mapping[str, float]) -> Array:
    """Return a copy of parameters in which each layer's weights are multiplied by its scale."""
    own = vector.copy()
    for layer, scale in scales.items():
        network.parameters.view(own, f"{layer}/W")[...] *= scale
    return own
