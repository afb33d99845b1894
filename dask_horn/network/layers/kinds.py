"""The kinds of layers: a line for each, and nothing else. All that is named here is public."""

from dask_horn.network.layers.average_pool2d import AveragePool2D as AveragePool2D
from dask_horn.network.layers.batch_norm import BatchNorm as BatchNorm
from dask_horn.network.layers.conv2d import Conv2D as Conv2D
from dask_horn.network.layers.dense import Dense as Dense
from dask_horn.network.layers.dropout import Dropout as Dropout
from dask_horn.network.layers.embedding import Embedding as Embedding
from dask_horn.network.layers.flatten import Flatten as Flatten
from dask_horn.network.layers.global_average_pool2d import (
    GlobalAveragePool2D as GlobalAveragePool2D,
)
from dask_horn.network.layers.gru import GRU as GRU
from dask_horn.network.layers.layer_norm import LayerNorm as LayerNorm
from dask_horn.network.layers.lstm import LSTM as LSTM
from dask_horn.network.layers.max_pool2d import MaxPool2D as MaxPool2D
from dask_horn.network.layers.missing_indicator import MissingIndicator as MissingIndicator
from dask_horn.network.layers.periodic import Periodic as Periodic
from dask_horn.network.layers.piecewise_linear import PiecewiseLinear as PiecewiseLinear
from dask_horn.network.layers.simple_rnn import SimpleRNN as SimpleRNN
