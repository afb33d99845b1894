"""Waiting for a cluster's tasks, with a word where nobody does them."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dask_horn.errors import HornError, WorkerLostError

if TYPE_CHECKING:
    from distributed import Client, Future

_PATIENCE = 15.0  # seconds without a worker before that is said


def result_of(client: Client, future: Future, check: Callable[[], None] = lambda: None) -> Any:
    """Wait for a future; say so where there is no worker to do it.

    `check` is called now and then while it takes long: it may raise an error of its own.
    """
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    try:
        with contextlib.suppress(TimeoutError):
            return future.result(timeout=_PATIENCE)
        while not future.done():  # else it is the task's own TimeoutError
            wait_for_a_worker(client)
            check()
            with contextlib.suppress(TimeoutError):
                return future.result(timeout=_PATIENCE)
        return future.result()
    except KilledWorker as error:
        raise WorkerLostError(
            f"a task lost its worker more often than Dask allows ({error}); look for what "
            "killed the workers, such as memory, in their logs"
        ) from error
    except FutureCancelledError as error:
        raise HornError(f"the cluster gave up a task of this run: {error}") from error


def wait_for_a_worker(client: Client) -> None:
    """Return when there is a worker; say so where none comes soon."""
    with contextlib.suppress(TimeoutError):
        client.wait_for_workers(1, timeout=_PATIENCE)
        return
    warnings.warn(
        f"the cluster at {client.scheduler.address} has no workers yet; waiting for one",
        stacklevel=2,
    )
    client.wait_for_workers(1)
