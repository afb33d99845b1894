"""The layers by their kinds, and how to read a layer from a model's JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from dask_horn.errors import ModelFormatError
from dask_horn.network.layers import kinds
from dask_horn.network.layers.base import Layer

#: The layers' classes, by their kinds in a model's JSON.
LAYERS: Mapping[str, type[Layer]] = MappingProxyType(
    {
        layer.kind: layer
        for layer in vars(kinds).values()
        if isinstance(layer, type) and issubclass(layer, Layer)
    }
)


def layer_from_config(config: Any) -> Layer:
    """Return the layer that `Layer.to_config` has written.

    Raises
    ------
    ModelFormatError
        If the kind or a field is unknown, or a value is not valid.

    Examples
    --------
    >>> layer_from_config({"kind": "dropout", "rate": 0.5})
    Dropout(0.5)
    """
    if not isinstance(config, Mapping):
        raise ModelFormatError(f"a layer must be an object with a kind, got {config!r}")
    fields = dict(config)
    kind = fields.pop("kind", None)
    if not isinstance(kind, str) or kind not in LAYERS:
        raise ModelFormatError(
            f"a layer's kind must be one of {', '.join(LAYERS)}, got {kind!r}; "
            f"it may need a later dask_horn"
        )
    known = [field.name for field in dataclasses.fields(LAYERS[kind])]
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise ModelFormatError(
            f"a layer of kind {kind!r} has the fields {', '.join(known)}, got {unknown[0]!r}; "
            f"it may need a later dask_horn"
        )
    try:
        return LAYERS[kind](**fields)
    except (TypeError, ValueError) as error:
        raise ModelFormatError(f"a layer of kind {kind!r} is not valid: {error}") from error
