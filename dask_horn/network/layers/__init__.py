"""Layer specs, one kind per file: what a layer is, not how it is computed."""

from dask_horn.network.layers.average_pool2d import AveragePool2D
from dask_horn.network.layers.base import Layer
from dask_horn.network.layers.conv2d import Conv2D
from dask_horn.network.layers.dense import Dense
from dask_horn.network.layers.dropout import Dropout
from dask_horn.network.layers.flatten import Flatten
from dask_horn.network.layers.global_average_pool2d import GlobalAveragePool2D
from dask_horn.network.layers.images import Windows
from dask_horn.network.layers.max_pool2d import MaxPool2D
from dask_horn.network.layers.registry import LAYERS, layer_from_config

__all__ = [
    "LAYERS",
    "AveragePool2D",
    "Conv2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAveragePool2D",
    "Layer",
    "MaxPool2D",
    "Windows",
    "layer_from_config",
]
