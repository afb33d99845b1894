"""Layer specs, one kind per file. They describe layers; the kernels compute them."""

from dask_horn.network.layers.average_pool2d import AveragePool2D
from dask_horn.network.layers.base import Layer
from dask_horn.network.layers.batch_norm import BatchNorm
from dask_horn.network.layers.conv2d import Conv2D
from dask_horn.network.layers.dense import Dense
from dask_horn.network.layers.dropout import Dropout
from dask_horn.network.layers.embedding import Embedding
from dask_horn.network.layers.flatten import Flatten
from dask_horn.network.layers.global_average_pool2d import GlobalAveragePool2D
from dask_horn.network.layers.gru import GRU
from dask_horn.network.layers.images import Windows
from dask_horn.network.layers.layer_norm import LayerNorm
from dask_horn.network.layers.lstm import LSTM
from dask_horn.network.layers.max_pool2d import MaxPool2D
from dask_horn.network.layers.recurrent import Recurrent
from dask_horn.network.layers.simple_rnn import SimpleRNN

__all__ = [
    "GRU",
    "LSTM",
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
    "Recurrent",
    "SimpleRNN",
    "Windows",
]
