"""Bringing the page to a scheduler, which may have no dask_horn, or another version of it."""

from __future__ import annotations

import operator
import platform
from functools import cache
from importlib.util import find_spec
from typing import Any

import cloudpickle
from distributed.diagnostics.plugin import SchedulerPlugin

import dask_horn.diagnostics
import dask_horn.records
from dask_horn.diagnostics.page.plugin import NAME, HornPage


class PageByValue(SchedulerPlugin):  # type: ignore[misc]
    """What a client registers: on the scheduler it becomes a `HornPage`, code and all.

    Code is that of one version of Python. On a scheduler of another one, or without bokeh, it
    becomes a plugin that does nothing.
    """

    name = NAME
    idempotent = True

    def __reduce__(self) -> tuple[Any, ...]:
        codes = {(*_python(), True): _payload()}
        has_bokeh = _Call(operator.is_not, _Call(find_spec, "bokeh"), None)
        there = _Call(operator.add, _Call(_SHORT, _Call(_VERSION)), (has_bokeh,))
        return cloudpickle.loads, (_Call(dict.get, codes, there, _NOTHING),)


class _Call:
    """Becomes what a function of the standard library returns where it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._reduced = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self._reduced


_VERSION = platform.python_version_tuple
_SHORT = operator.itemgetter(slice(0, 2))
_NOTHING = cloudpickle.dumps(SchedulerPlugin())


def _python() -> tuple[str, ...]:
    short: tuple[str, ...] = _SHORT(_VERSION())
    return short


@cache
def _payload() -> bytes:
    """Pickle the page with the code that it is made of: once in a process."""
    rooms = dask_horn.diagnostics, dask_horn.records
    for room in rooms:
        cloudpickle.register_pickle_by_value(room)
    try:
        payload: bytes = cloudpickle.dumps(HornPage())
    finally:
        for room in rooms:
            cloudpickle.unregister_pickle_by_value(room)
    return payload
