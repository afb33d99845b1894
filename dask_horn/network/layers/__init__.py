"""Layer specs, one kind per file: what a layer is, not how it is computed."""

from dask_horn.network.layers.base import Layer
from dask_horn.network.layers.batch_norm import BatchNorm
from dask_horn.network.layers.dense import Dense
from dask_horn.network.layers.dropout import Dropout
from dask_horn.network.layers.layer_norm import LayerNorm
from dask_horn.network.layers.registry import LAYERS, layer_from_config

__all__ = ["LAYERS", "BatchNorm", "Dense", "Dropout", "Layer", "LayerNorm", "layer_from_config"]
