"""A network as HTML: its layers, and what sub-models hold of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dask_horn.diagnostics.html import Html, card, code, muted, scrolling, shown, table, tag

if TYPE_CHECKING:
    from dask_horn.network import Network

_NUMBERS = (2, 4, 8)  # of sub-models, where the layers are wide enough
_MEGABYTE = 1e6


def network_html(network: Network) -> str:
    """Show a network's layers as HTML, and what each of 2, 4 and 8 sub-models holds.

    Parameters
    ----------
    network : Network

    Returns
    -------
    str
    """
    facts = [network.widths, size_of(network), f"loss {network.loss}"]
    return shown(card("Network", facts, layers_of(network)))


def size_of(network: Network) -> str:
    """Tell how many parameters there are, and how much memory they take."""
    n = network.parameters.n_parameters
    return f"{n:,} parameters ({_bytes(4 * n)})"


def in_words(shape: Sequence[int]) -> str:
    """Write a shape in one line."""
    return "\u00a0×\u00a0".join(map(str, shape))


def layers_of(network: Network) -> Html:
    """Return the table of the layers and, beside it, that of the division."""
    rows = []
    for placed in network.placed:
        n = sum(tensor.size for tensor in placed.tensors)
        what = code(repr(placed.layer.renamed(None)))
        number = f"{n:,}" if n else muted("–")
        rows.append([placed.layer.name or "", what, in_words(placed.outputs.shape), number])
    rows.append(["total", "", "", f"{network.parameters.n_parameters:,}"])
    css = [*[""] * len(network.placed), "horn-total"]
    if network.parameters.n_untrained:
        rows.append(["not trained", "", "", f"{network.parameters.n_untrained:,}"])
        css.append("")
    layers = table(["layer", "what", "output", "parameters"], rows, n_texts=3, row_css=css)
    return tag("div", scrolling(layers), _division(network), css="horn-side")


def _division(network: Network) -> Html:
    """Return what sub-models hold; nothing where the layers are too narrow to be divided."""
    units = [network.unit_axes[axis] for axis in network.divided_axes]
    divisions = [network.division(number) for number in _NUMBERS if min(units, default=0) >= number]
    if not divisions:
        return Html()
    rows = [
        [str(one.n_submodels), f"{one.n_parameters:,}", f"{one.share:.0%}", f"{one.together:.0%}"]
        for one in divisions
    ]
    headings = ["sub-models", "parameters\nof each", "share\nof each", "all\ntogether"]
    return scrolling(table(headings, rows, n_texts=0))


def _bytes(n: int) -> str:
    return f"{n / 1000:.1f} kB" if n < _MEGABYTE / 10 else f"{n / _MEGABYTE:,.1f} MB"
