"""Where encodings may stand among a network's layers."""

from __future__ import annotations

from collections.abc import Sequence

from dask_horn.network.layers import Encoding, Layer, MissingIndicator


def check_encodings(layers: Sequence[Layer]) -> None:
    """Raise ValueError unless all encodings come first, one of each kind, in a sensible order."""
    for place, layer in enumerate(layers):
        if not isinstance(layer, Encoding):
            continue
        before, kind = layers[:place], type(layer).__name__
        others = [other for other in before if not isinstance(other, Encoding)]
        if others:
            raise ValueError(
                f"{kind} encodes the network's inputs, so it must stand before all other layers, "
                f"got it after {others[-1]!r}"
            )
        if any(type(other) is type(layer) for other in before):
            raise ValueError(f"a network may have one {kind}, got a second one, {layer!r}")
        if before and isinstance(layer, MissingIndicator):
            raise ValueError(
                f"a MissingIndicator must be the first layer, because others cannot take missing "
                f"values, got it after {before[-1]!r}"
            )
