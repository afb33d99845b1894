"""What crosses between workers, and what they read: counted where it happens, in each worker.

Every byte that a worker's event loop writes to or reads from a connection to another worker,
headers and all, where Tornado hands it to the operating system. Dask's own figures miss the
messages of actors. A connection is known by the address that it was opened to, so each is counted
once, by the worker that has opened it. And from Linux: bytes read from files, and peak memory.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distributed import Client, WorkerPlugin
from distributed.comm.addressing import get_address_host_port
from tornado.iostream import IOStream

from benchmarks.workers import memory_in_use, peak_memory

__all__ = ["SocketCounter", "usage_between", "worker_state"]

_by_peer: Counter[tuple[str, int]] = Counter()


class SocketCounter(WorkerPlugin):
    """Count the bytes of a worker process' streams, by the other end's address."""

    name = "socket-counter"
    idempotent = True

    def setup(self, worker: Any) -> None:
        """Wrap the two methods by which a stream reaches its socket."""
        if hasattr(IOStream, "counted"):
            return
        IOStream.counted = True  # type: ignore[attr-defined]
        read, write = IOStream.read_from_fd, IOStream.write_to_fd

        def counted_read(stream: IOStream, buffer: Any) -> int | None:
            n = read(stream, buffer)
            _by_peer[_peer(stream)] += n or 0
            return n

        def counted_write(stream: IOStream, data: memoryview) -> int:
            n = write(stream, data)
            _by_peer[_peer(stream)] += n
            return n

        IOStream.read_from_fd = counted_read  # type: ignore[method-assign]
        IOStream.write_to_fd = counted_write  # type: ignore[method-assign, assignment]


def _peer(stream: Any) -> tuple[str, int]:
    """Return the other end's address, looked up once per stream."""
    if not hasattr(stream, "other_end"):
        try:
            stream.other_end = tuple(stream.socket.getpeername()[:2])
        except OSError:  # closed meanwhile
            return ("", 0)
    end: tuple[str, int] = stream.other_end
    return end


def worker_state(client: Client) -> dict[str, dict[str, Any]]:
    """Return the counters of all workers, by address."""
    addresses = [get_address_host_port(one) for one in client.scheduler_info(-1)["workers"]]
    found: dict[str, dict[str, Any]] = client.run(_state, addresses)
    return found


def _state(workers: list[tuple[str, int]], dask_worker: Any) -> dict[str, Any]:
    own = get_address_host_port(dask_worker.address)
    files = dict(re.findall(r"(\w+): (\d+)", Path("/proc/self/io").read_text()))
    others = [tuple(worker) for worker in workers if tuple(worker) != own]
    return {
        "sockets": sum(_by_peer[worker] for worker in others),
        "files_read": int(files["rchar"]),
        "memory": memory_in_use(),
        "peak_memory": peak_memory(),
    }


def usage_between(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> dict[str, int]:
    """Subtract counters, and add up the workers; of memory, take the worker that grew most."""
    used = {
        name: sum(int(after[worker][name] - before[worker][name]) for worker in after)
        for name in ("sockets", "files_read")
    }
    peaks = [after[worker]["peak_memory"] - before[worker]["memory"] for worker in after]
    return {**used, "peak_memory": max(peaks)}
