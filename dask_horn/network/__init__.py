"""WHAT is trained: layer specs, shapes, the parameter table, initial values, JSON."""

from dask_horn.network.elements.activations import ACTIVATIONS as ACTIVATIONS
from dask_horn.network.elements.parameters import ParameterTable as ParameterTable
from dask_horn.network.elements.parameters import TensorSpec as TensorSpec
from dask_horn.network.elements.signals import Signal as Signal
from dask_horn.network.initial import initial_values as initial_values
from dask_horn.network.initial import spread as spread
from dask_horn.network.layers import Encoding as Encoding
from dask_horn.network.layers import Layer as Layer
from dask_horn.network.layers import Recurrent as Recurrent
from dask_horn.network.layers import Windows as Windows
from dask_horn.network.layers.kinds import *  # noqa: F403
from dask_horn.network.losses import HUBER_DELTA as HUBER_DELTA
from dask_horn.network.losses import LOSSES as LOSSES
from dask_horn.network.network import Network as Network
from dask_horn.network.outputs import with_outputs as with_outputs
from dask_horn.network.placed import OUTPUT as OUTPUT
from dask_horn.network.placed import PlacedLayer as PlacedLayer
