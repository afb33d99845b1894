"""The graph of a whole training as a lazy object of Dask that can be looked at."""

from __future__ import annotations

from typing import Any

from dask.delayed import Delayed

from dask_horn.checks import checked_integer


class TrainingGraph(Delayed):  # type: ignore[misc]
    """The tasks of a training: a `Delayed`, with a drawing of its own.

    Notebooks show the drawing, where Graphviz is installed.
    """

    __slots__ = ()

    def visualize(self, filename: str | None = None, *, max_nodes: int = 200) -> Any:
        """Draw the stages of each round in the colours of Dask's pages, groups in boxes.

        ``train g0 s1`` is the training of sub-model 1 in group 0; m0 is the first member of an
        ensemble.

        Parameters
        ----------
        filename : str, optional
            Ends with ``.svg``, ``.png``, ``.pdf`` or ``.dot``. By default no file is written.
        max_nodes : int, default 200
            Where there are more tasks, a node stands for all of a stage in a group, or in a round,
            and the last rounds may be left out.

        Returns
        -------
        GraphDrawing
            What a notebook shows; its attribute ``svg`` is the drawing as text.

        Raises
        ------
        ImportError, RuntimeError
            If the Python package ``graphviz`` or the program ``dot`` is not installed.
        ValueError
            If the name of the file ends with anything else.
        """
        from dask_horn.diagnostics.graph_drawing import draw_graph

        return draw_graph(self.dask.to_dict(), filename, checked_integer("max_nodes", max_nodes, 1))

    def _repr_svg_(self) -> str | None:
        from dask_horn.diagnostics.graph_drawing import can_draw

        return str(self.visualize().svg) if can_draw() else None
