"""A network as a table for people: layers, shapes, parameters, and what sub-models hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dask_horn.network.elements.parameters import ParameterTable
from dask_horn.network.placed import PlacedLayer

_HEADINGS = ("layer", "what", "output shape", "parameters")


@dataclass(frozen=True)
class Division:
    """What the sub-models hold of a network that is divided as equally as can be.

    Attributes
    ----------
    n_submodels : int
    parameters : mapping of str to int
        By the name of the layer: how many of its parameters a sub-model holds on average.
    n_parameters : int
        Of all layers.
    share : float
        The same, as a fraction of the network's parameters.
    together : float
        Fraction of the network's parameters that all sub-models hold together. The others connect
        units of different sub-models.
    """

    n_submodels: int
    parameters: Mapping[str, int]
    n_parameters: int
    share: float
    together: float

    @classmethod
    def of(
        cls, table: ParameterTable, axes: Iterable[str], shared: Iterable[str], n_submodels: int
    ) -> Division:
        """Divide the axes; the tensors that are `shared` are held by every sub-model."""
        units = {axis: table.axis_lengths[axis] for axis in axes}
        sums, total = dict.fromkeys(table, 0), table.n_parameters
        for i in range(n_submodels):
            sizes = {axis: (n + i) // n_submodels for axis, n in units.items()}
            for tensor in table.restrict(sizes).tensors:
                sums[tensor.name] += tensor.size
        common = set(shared)
        held = sum(n // n_submodels if name in common else n for name, n in sums.items())
        by_layer: dict[str, int] = {}
        for name, n in sums.items():
            layer = name.partition("/")[0]
            by_layer[layer] = by_layer.get(layer, 0) + n
        mean = {layer: round(n / n_submodels) for layer, n in by_layer.items()}
        each = round(sum(sums.values()) / n_submodels)
        return cls(n_submodels, mean, each, each / total if total else 0, held / total)


def table_of(placed_layers: Iterable[PlacedLayer], divisions: Sequence[Division] = ()) -> str:
    """Return one line per layer and one for the total; for each division a column more."""
    rows: list[tuple[str, ...]] = [
        (*_HEADINGS, *(f"each of {division.n_submodels}" for division in divisions))
    ]
    total = untrained = 0
    for placed in placed_layers:
        n_parameters = sum(tensor.size for tensor in placed.tensors)
        total += n_parameters
        untrained += sum(tensor.size for tensor in placed.tensors if not tensor.trained)
        name, what = placed.layer.name or "", repr(placed.layer.renamed(None))
        own = (f"{division.parameters.get(name, 0):,}" for division in divisions)
        rows.append((name, what, str(placed.outputs.shape), f"{n_parameters:,}", *own))
    own = (f"{division.n_parameters:,}" for division in divisions)
    rows.append(("total", "", "", f"{total:,}", *own))
    if untrained:  # which all sub-models have
        rows.append(("not trained", "", "", *[f"{untrained:,}"] * (1 + len(divisions))))
    if divisions:
        shares = (f"{division.share:.1%}" for division in divisions)
        together = (f"{division.together:.1%}" for division in divisions)
        rows += [("share", "", "", "", *shares), ("together", "", "", "", *together)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    """Lay a row out: three columns of text, and numbers flush right."""
    texts = [cell.ljust(width) for cell, width in zip(row[:3], widths[:3], strict=True)]
    numbers = [cell.rjust(width) for cell, width in zip(row[3:], widths[3:], strict=True)]
    return "  ".join([*texts, *numbers]).rstrip()
