"""A network as a table for people: layers, shapes and numbers of parameters."""

from __future__ import annotations

from collections.abc import Iterable

from dask_horn.network.placed import PlacedLayer

_HEADINGS = ("layer", "what", "output shape", "parameters")


def table_of(placed_layers: Iterable[PlacedLayer]) -> str:
    """Return one line per layer and one for the total."""
    rows: list[tuple[str, ...]] = []
    total = 0
    for placed in placed_layers:
        n_parameters = sum(tensor.size for tensor in placed.tensors)
        total += n_parameters
        name, what = placed.layer.name or "", repr(placed.layer.renamed(None))
        rows.append((name, what, str(placed.outputs.shape), f"{n_parameters:,}"))
    rows = [_HEADINGS, *rows, ("total", "", "", f"{total:,}")]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    *texts, number = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return "  ".join([*texts, number.strip().rjust(widths[-1])])
