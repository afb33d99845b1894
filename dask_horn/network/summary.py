"""A network as a table for people: layers, shapes and numbers of parameters."""

from __future__ import annotations

from collections.abc import Iterable

from dask_horn.network.stages import Stage

_HEADINGS = ("layer", "what", "output shape", "parameters")


def table_of(stages: Iterable[Stage]) -> str:
    """Return one line per layer and one for the total."""
    rows: list[tuple[str, ...]] = []
    total = 0
    for stage in stages:
        n_parameters = sum(tensor.size for tensor in stage.tensors)
        total += n_parameters
        name, what = stage.layer.name or "", repr(stage.layer.renamed(None))
        rows.append((name, what, str(stage.outputs.shape), f"{n_parameters:,}"))
    rows = [_HEADINGS, *rows, ("total", "", "", f"{total:,}")]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    *texts, number = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return "  ".join([*texts, number.strip().rjust(widths[-1])])
