"""A graph that is written task by task, in a layer for each stage of a round.

`dask.delayed` gives each call a graph of its own and merges the graphs of all its arguments, which
takes about half a millisecond for each of the thousands of calls in a round. Here a call is one
entry in a layer's dictionary; what comes out is a `Delayed` all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from dask.task_spec import List, Task, TaskRef

from dask_horn.cluster import Seat

Key = tuple[Any, ...]


class TaskLayers:
    """Tasks by stage and round, which the first two items of their keys name."""

    def __init__(self) -> None:
        self._layers: dict[str, Any] = {}
        self._workers: dict[str, dict[Key, list[str]]] = {}
        self._may_go_elsewhere: dict[str, dict[Key, bool]] = {}
        self._priorities: dict[str, dict[Key, int]] = {}
        self._dependencies: dict[str, set[str]] = {}
        self._layer_of: dict[Any, str] = {}
        self._handles: dict[Any, Any] = {}

    def use(self, handle: Any) -> TaskRef:
        """Refer to a task of another graph, by its Delayed, or to one submitted, by its future."""
        self._handles[handle.key] = handle
        if isinstance(handle, TaskRef):  # a future: the cluster knows its task already
            return TaskRef(handle.key)
        graph = handle.dask
        self._layers.update(graph.layers)
        self._dependencies.update(graph.dependencies)
        (self._layer_of[handle.key],) = handle.__dask_layers__()
        return TaskRef(handle.key)

    def handle_of(self, task: TaskRef) -> Any:
        """Return the handle that a reference is to, or None for a task that is written here."""
        return self._handles.get(task.key)

    def call(
        self,
        function: Callable[..., Any],
        key: Key,
        args: Sequence[Any],
        *,
        near: Seat = Seat(),  # noqa: B008 (a tuple)
        only: Sequence[str] = (),
        priority: int = 0,
    ) -> TaskRef:
        """Add a call; references among its arguments, and in lists there, stand for results.

        It prefers the worker of the seat `near`, softly: any other may take it too. With `only`,
        the workers there are the ones that can do it, and others never get it. Of what waits on a
        worker the highest `priority` goes first.
        """
        layer = f"{key[0]}-{key[1]}"
        task = Task(key, function, *(List(*a) if isinstance(a, list) else a for a in args))
        dependencies = self._dependencies.setdefault(layer, set())
        for needed in task.dependencies:
            if self._layer_of.get(needed, layer) != layer:
                dependencies.add(self._layer_of[needed])
        self._layers.setdefault(layer, {})[key] = task
        self._layer_of[key] = layer
        workers = list(only) if only or near.worker is None else [near.worker]
        if workers:
            self._workers.setdefault(layer, {})[key] = workers
            self._may_go_elsewhere.setdefault(layer, {})[key] = not only
        if priority:
            self._priorities.setdefault(layer, {})[key] = priority
        return TaskRef(key)

    def delayed(self, *tasks: TaskRef) -> tuple[Delayed, ...]:
        """Return the tasks as lazy objects; their graph is what there is by now."""
        layers = {name: self._as_layer(name) for name in self._layers}
        dependencies = {name: set(self._dependencies[name]) for name in layers}
        graph = HighLevelGraph(layers, dependencies)
        return tuple(Delayed(task.key, graph, layer=self._layer_of[task.key]) for task in tasks)

    def _as_layer(self, name: str) -> Any:
        tasks = self._layers[name]
        if not isinstance(tasks, dict):
            return tasks  # another graph's
        annotations: dict[str, Any] = {}
        if name in self._workers:
            annotations["workers"] = self._workers[name].get
            annotations["allow_other_workers"] = self._may_go_elsewhere[name].get
        if name in self._priorities:
            priorities = self._priorities[name]
            annotations["priority"] = lambda key: priorities.get(key, 0)
        return MaterializedLayer(dict(tasks), annotations=annotations or None)
