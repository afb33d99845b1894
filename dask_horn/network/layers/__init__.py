"""Layer specs, one kind per file: what a layer is, not how it is computed."""

from dask_horn.network.layers.base import Layer
from dask_horn.network.layers.dense import Dense
from dask_horn.network.layers.dropout import Dropout
from dask_horn.network.layers.registry import LAYERS, layer_from_config

__all__ = ["LAYERS", "Dense", "Dropout", "Layer", "layer_from_config"]
