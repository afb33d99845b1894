"""Layer specs, one kind per file. They describe layers; the kernels compute them."""

from dask_horn.network.layers.base import Layer as Layer
from dask_horn.network.layers.images import Windows as Windows
from dask_horn.network.layers.kinds import *  # noqa: F403
from dask_horn.network.layers.recurrent import Recurrent as Recurrent
from dask_horn.network.layers.registry import LAYERS as LAYERS
from dask_horn.network.layers.registry import layer_from_config as layer_from_config
