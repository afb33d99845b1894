"""Which of Dask's clients and pools of threads this process can use.

A fork has its parent's objects, but none of its threads: it waits for ever for a client whose event
loop ran in one of them, and for a pool of them.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from dask import threaded

#: Schedulers that Dask's configuration may name where the current client computes.
BY_CLIENT = (None, "distributed", "dask.distributed")


def usable_client() -> Any:
    """Return Dask's current client; None if there is none that this code can wait for.

    It cannot for one that only a parent process can use, nor within a task, for another may never
    get its turn.

    Raises
    ------
    TypeError
        If the client is asynchronous, and this is its event loop.
    """
    distributed = sys.modules.get("distributed")
    if distributed is None or inside_task():  # never imported, there is no client
        return None
    try:
        client = distributed.default_client()
    except ValueError:
        return None
    if client.asynchronous:
        raise TypeError(
            "the current Dask client is asynchronous, and this call would stop its event loop, for "
            "it waits for results; make the call in another thread, such as that of "
            "`await asyncio.to_thread(estimator.fit, X, y)`"
        )
    return client if _loop_runs(client) else None


def own_scheduler() -> str:
    """Return the name of Dask's scheduler for what this process computes without a client.

    Within a task everything is done in that task: never a second pool of threads.
    """
    pool = getattr(threaded, "default_pool", None)
    of_parent = any(not thread.is_alive() for thread in getattr(pool, "_threads", ()))
    return "sync" if of_parent or inside_task() else "threads"


def inside_task() -> bool:
    """Whether this code runs in a task of a Dask worker."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


def _loop_runs(client: Any) -> bool:
    """Whether a thread of this process runs the event loop of a client that is not asynchronous."""
    loop = client.loop.asyncio_loop
    if not hasattr(loop, "_thread_id"):  # one of another library
        return True
    runs_in = loop._thread_id
    others = {one.ident for one in threading.enumerate()} - {threading.get_ident()}
    return runs_in in others
