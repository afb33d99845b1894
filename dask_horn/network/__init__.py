"""WHAT is trained: layer specs, shapes, the parameter table, initial values, JSON."""

from dask_horn.network.elements.activations import ACTIVATIONS
from dask_horn.network.elements.parameters import ParameterTable, TensorSpec
from dask_horn.network.elements.signals import Signal
from dask_horn.network.initial import initial_values, spread
from dask_horn.network.layers import (
    GRU,
    LSTM,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool2D,
    Layer,
    LayerNorm,
    MaxPool2D,
    Recurrent,
    SimpleRNN,
    Windows,
)
from dask_horn.network.losses import HUBER_DELTA, LOSSES
from dask_horn.network.network import Network
from dask_horn.network.outputs import with_outputs
from dask_horn.network.placed import OUTPUT, PlacedLayer

__all__ = [
    "ACTIVATIONS",
    "GRU",
    "HUBER_DELTA",
    "LOSSES",
    "LSTM",
    "OUTPUT",
    "AveragePool2D",
    "BatchNorm",
    "Conv2D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePool2D",
    "Layer",
    "LayerNorm",
    "MaxPool2D",
    "Network",
    "ParameterTable",
    "PlacedLayer",
    "Recurrent",
    "Signal",
    "SimpleRNN",
    "TensorSpec",
    "Windows",
    "initial_values",
    "spread",
    "with_outputs",
]
