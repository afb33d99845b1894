"""Layer specs, one kind per file. They describe layers; the kernels compute them."""

from dask_horn.network.layers.base import Layer as Layer
from dask_horn.network.layers.encoding import Encoding as Encoding
from dask_horn.network.layers.images import Windows as Windows
from dask_horn.network.layers.kinds import *  # noqa: F403
from dask_horn.network.layers.recurrent import Recurrent as Recurrent
