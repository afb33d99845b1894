"""Sub-models whose parts were never joined, as the networks that they are.

With parts that are never joined nothing is trained between sub-models, so each is a narrow network
of its own, and the parent, whose blocks between them are zero, has the mean of their logits.
"""

from __future__ import annotations

import dataclasses

import dask_horn as horn
from dask_horn.network import Dense, Network
from dask_horn.partition import Partition
from dask_horn.program import submodel_scales

__all__ = ["narrow_network", "votes"]


def votes(parent: horn.Model, partition: Partition) -> horn.Ensemble:
    """Take a parent apart into its sub-models: the mean of *their* probabilities is a vote.

    Parameters
    ----------
    parent : Model
        Trained with ``n_submodels=[K]``: never joined, at a_h = 0.
    partition : Partition
        By which it was divided.
    """
    network, members = parent.network, []
    for submodel in range(partition.n_submodels):
        places = partition.slice_map(network.parameters, submodel)
        own = places.take(parent.parameters)
        scales = submodel_scales(network, partition.fractions(submodel), hidden_exponent=0.0)
        for name, scale in scales.items():
            places.table.view(own, name)[...] *= scale
        narrow = narrow_network(network, partition, submodel)
        members.append(horn.Model(narrow, own, parent.standardizer, parent.targets))
    return horn.Ensemble(tuple(members))


def narrow_network(network: Network, partition: Partition, submodel: int) -> Network:
    """Return the network with a sub-model's widths."""
    layers = [
        dataclasses.replace(layer, units=int(partition.sizes(layer.name)[submodel]))
        if isinstance(layer, Dense) and layer.name in network.divided_axes
        else layer
        for layer in (placed.layer for placed in network.placed)
    ]
    return Network(layers, network.input_shape, network.loss)
