"""One task at a time on a device that has memory of its own."""

from __future__ import annotations

import contextlib
import threading

from dask_horn.kernels.device import Device

_in_use: dict[str, threading.Lock] = {}


def alone_on(device: Device) -> contextlib.AbstractContextManager[object]:
    """Hold the device alone in this process while a task needs its memory.

    Each task is as large as the memory allows: two at once, on a worker of several threads, would
    be too large together. The host's own memory is planned for by Dask.
    """
    if device.state().memory is None:
        return contextlib.nullcontext()
    return _in_use.setdefault(device.name, threading.Lock())
