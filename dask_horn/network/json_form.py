"""A network as JSON text and back, as models are stored on disk.

Reading trusts nothing: unknown fields are refused, never skipped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dask_horn.errors import ModelFormatError
from dask_horn.network.elements.parameters import Shape
from dask_horn.network.layers import Layer
from dask_horn.network.registry import layer_from_config

FORMAT_VERSION = 1  # to be raised when an older reader could misunderstand a text

_FIELDS = ("version", "input_shape", "loss", "layers")


def write(layers: Sequence[Layer], input_shape: Shape, loss: str) -> str:
    """Return the JSON text of a network's fields."""
    return json.dumps(
        {
            "version": FORMAT_VERSION,
            "input_shape": list(input_shape),
            "loss": loss,
            "layers": [layer.to_config() for layer in layers],
        }
    )


def read(text: str) -> tuple[list[Layer], list[Any], Any]:
    """Return layers, input shape and loss from JSON text; the last two are not yet checked."""
    fields = _parsed(text)
    _check_version(fields.get("version"))
    for name in _FIELDS:
        if name not in fields:
            raise ModelFormatError(f"a network's JSON must have the field {name!r}")
    unknown = [name for name in fields if name not in _FIELDS]
    if unknown:
        raise ModelFormatError(
            f"a network's JSON has an unknown field {unknown[0]!r}; it may need a later dask_horn"
        )
    for name in ("layers", "input_shape"):
        if not isinstance(fields[name], list):
            raise ModelFormatError(
                f"the field {name!r} of a network's JSON must be a list, got {fields[name]!r}"
            )
    layers = [layer_from_config(config) for config in fields["layers"]]
    return layers, fields["input_shape"], fields["loss"]


def _parsed(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelFormatError(f"a network's JSON cannot be parsed: {error}") from error
    if not isinstance(fields, dict):
        raise ModelFormatError(f"a network's JSON must be an object, got {type(fields).__name__}")
    return fields


def _check_version(version: Any) -> None:
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ModelFormatError(
            f"the field 'version' of a network's JSON must be a positive integer, got {version!r}"
        )
    if version > FORMAT_VERSION:
        raise ModelFormatError(
            f"the network has format version {version}, but this dask_horn reads versions up to "
            f"{FORMAT_VERSION}; install a later dask_horn"
        )
