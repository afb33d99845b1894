"""Draws a training graph by Graphviz: stages in Dask's colours, groups and rounds in boxes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dask_horn.diagnostics.colours import QUIET, ink_on
from dask_horn.diagnostics.task_graph import Folded, Node, fold

_FORMATS = ("svg", "png", "pdf", "dot")


@dataclass(frozen=True)
class GraphDrawing:
    """A drawing of a training graph, which notebooks show.

    Attributes
    ----------
    svg : str
        The drawing. It has no background, and can be read on light and dark ones.
    """

    svg: str = field(repr=False)  # thousands of characters

    def _repr_svg_(self) -> str:
        return self.svg


def draw_graph(graph: Mapping[Any, Any], filename: str | None, max_nodes: int) -> GraphDrawing:
    """Draw a training graph; write a file only where one is named.

    Parameters
    ----------
    graph : mapping
        Tasks by key, of `dask_horn.training_graph`.
    filename : str or None
        Ends with ``.svg``, ``.png``, ``.pdf`` or ``.dot``.
    max_nodes : int
        A larger graph is folded.

    Returns
    -------
    GraphDrawing

    Raises
    ------
    ImportError, RuntimeError
        If the Python package ``graphviz``, or the program ``dot`` of Graphviz, is not installed.
    ValueError
        If the name of the file says no format that can be written.
    """
    suffix = None if filename is None else Path(filename).suffix.lower().lstrip(".")
    if suffix is not None and suffix not in _FORMATS:
        raise ValueError(
            f"filename must end with .{', .'.join(_FORMATS[:-1])} or .{_FORMATS[-1]}, got "
            f"{filename!r}"
        )
    source = _source(fold(graph, max_nodes))
    if filename is not None:
        Path(filename).write_bytes(_piped(source, str(suffix)))
    return GraphDrawing(_piped(source, "svg").decode())


def can_draw() -> bool:
    """Whether what draws is installed."""
    import shutil
    from importlib.util import find_spec

    return find_spec("graphviz") is not None and shutil.which("dot") is not None


def _piped(source: Any, suffix: str) -> bytes:
    from graphviz import ExecutableNotFound

    try:
        drawn: bytes = source.pipe(format=suffix)
    except ExecutableNotFound:
        raise RuntimeError(
            "drawing a graph needs Graphviz's program `dot`, which is not on the PATH; install "
            "Graphviz, by `apt install graphviz`, `brew install graphviz` or `conda install "
            "graphviz`"
        ) from None
    return drawn


def _source(folded: Folded) -> Any:
    """Write the graph in Graphviz's language."""
    try:
        from graphviz import Digraph
    except ImportError:
        raise ImportError(
            "drawing a graph needs the Python package graphviz; install it, by `pip install "
            "graphviz` or `conda install python-graphviz`"
        ) from None
    source = Digraph(
        graph_attr={"bgcolor": "transparent", "ranksep": "0.35", "nodesep": "0.15"},
        node_attr={
            "shape": "box", "style": "rounded,filled", "penwidth": "0", "height": "0.3",
            "margin": "0.1,0.04", "fontname": "Helvetica", "fontsize": "11",
        },
        edge_attr={"color": QUIET, "arrowsize": "0.6", "penwidth": "0.8"},
    )  # fmt: skip
    ids = {name: f"n{number}" for number, name in enumerate(folded.nodes)}
    for round in (None, *range(folded.n_rounds)):
        own = {name: node for name, node in folded.nodes.items() if node.place.round == round}
        _draw_round(source, round, own, ids)
    for before, after in sorted((ids[before], ids[after]) for before, after in folded.edges):
        source.edge(before, after)
    if folded.n_left_out:
        _say_how_many_more(source, folded, ids)
    return source


def _draw_round(
    source: Any, round: int | None, own: Mapping[Hashable, Node], ids: Mapping[Hashable, str]
) -> None:
    """Draw a round's nodes in a box, with a box for each group in it."""
    box = _box(source, f"round_{round}", "" if round is None else f"round {round + 1}")
    for group in sorted(
        {-1 if node.place.group is None else node.place.group for node in own.values()}
    ):
        inner = box if group < 0 else _box(source, f"round_{round}_{group}", f"group {group}")
        for name, node in own.items():
            if (-1 if node.place.group is None else node.place.group) == group:
                _draw_node(inner, ids[name], node)
        if inner is not box:
            inner.attr(style="rounded,filled", fillcolor=f"{QUIET}20", penwidth="0")
            box.subgraph(inner)
    source.subgraph(box)


def _box(source: Any, name: str, label: str) -> Any:
    """Make a box; one without a label has no lines."""
    from graphviz import Digraph

    box = Digraph(name=f"cluster_{name}" if label else name)
    box.attr(label=label, style="rounded", color=QUIET, fontcolor=QUIET, fontname="Helvetica")
    box.attr(fontsize="11", labeljust="l", margin="8")
    return box


def _draw_node(box: Any, name: str, node: Node) -> None:
    from distributed.utils import color_of

    colour = color_of(node.place.stage)
    box.node(name, node.label, fillcolor=colour, fontcolor=ink_on(colour))


def _say_how_many_more(source: Any, folded: Folded, ids: Mapping[Hashable, str]) -> None:
    """Say below the last round that there are more."""
    n = folded.n_left_out
    words = f"… {n} more round{'s' if n > 1 else ''}"
    source.node("more", words, shape="plaintext", style="", fontcolor=QUIET)
    last = {name for name, node in folded.nodes.items() if node.place.round == folded.n_rounds - 1}
    for name in last - {before for before, _ in folded.edges}:
        source.edge(ids[name], "more", style="dashed")
