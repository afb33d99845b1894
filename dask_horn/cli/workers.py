"""Where a command works: on a running cluster, in processes it starts, or in its own process."""

from __future__ import annotations

import contextlib
import importlib
import logging
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from dask_horn.cli.command import option
from dask_horn.cli.scheduler_file import address_of

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

_PATIENCE = "30s"  # with a scheduler that does not answer

_cluster = partial(option, section="Cluster")

scheduler_option: Callable[..., Any] = _cluster(
    "--scheduler",
    metavar="ADDRESS",
    help="Running Dask cluster to use: its address, such as tcp://10.0.0.1:8786, or the path of "
    "its scheduler file, such as cluster.json, which is waited for.",
)

workers_option: Callable[..., Any] = _cluster(
    "--workers",
    type=int,
    metavar="N",
    help="Number of one-thread worker processes to start on this machine; by default one per core, "
    "but no more than can work at once. With 0, work in this process.",
)

timeout_option: Callable[..., Any] = _cluster(
    "--timeout",
    type=float,
    metavar="SECONDS",
    help="End the run if nothing moves on the cluster for so long; by default wait, and say what "
    "for.",
)


@contextlib.contextmanager
def working(scheduler: str | None, n_workers: int | None, at_once: int) -> Iterator[Client | None]:
    """Connect to a cluster, or start one, while a command runs.

    Parameters
    ----------
    scheduler : str or None
        Address of a running cluster, or the path of its scheduler file.
    n_workers : int or None
        Processes to start if no address is given; 0 for none. By default one per core, but no
        more than `at_once`.
    at_once : int
        How many tasks can run at the same time.
    """
    from dask_horn.checks import checked_integer

    if scheduler is not None and n_workers is not None:
        raise click.UsageError(
            "--workers starts a cluster and --scheduler uses a running one; give only one of them"
        )
    if n_workers is not None:
        checked_integer("--workers", n_workers, 0)
    if n_workers == 0:
        yield None
    elif scheduler is not None:
        with joined(scheduler) as client:
            yield client
    else:
        from dask.system import CPU_COUNT

        with _started(n_workers or max(1, min(CPU_COUNT, at_once))) as client:
            yield client


@contextlib.contextmanager
def joined(scheduler: str) -> Iterator[Client]:
    """Connect to a running cluster, and leave it running."""
    from distributed import Client

    address = address_of(scheduler)
    try:
        client = Client(address, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        where = scheduler if scheduler == address else f"{scheduler} (which says {address})"
        raise ValueError(f"no Dask scheduler answers at --scheduler {where}: {error}") from error
    with client:
        yield client


@contextlib.contextmanager
def _started(n_workers: int) -> Iterator[Client]:
    """Start processes that end with the command, silently."""
    from distributed import Client, LocalCluster

    with warnings.catch_warnings(), _ignoring_signals():
        # The dashboard's usual port may be taken: it gets another, and its address is printed.
        warnings.filterwarnings("ignore", "Port .* is already in use", UserWarning)
        cluster: LocalCluster = LocalCluster(
            n_workers=n_workers, threads_per_worker=1, processes=True, silence_logs=logging.CRITICAL
        )
    with cluster, Client(cluster) as client:
        client.run(_import_library, wait=False)  # while this process opens the samples
        yield client


async def _import_library() -> None:  # Dask waits for no others
    importlib.import_module("dask_horn.training")


@contextlib.contextmanager
def _ignoring_signals() -> Iterator[None]:
    """Ignore what asks for an end, in this process for now, and for good in those it starts now.

    A terminal sends Ctrl-C to all processes, and a queue its signals; the workers are still needed
    to save the checkpoint.
    """
    from dask_horn.training import QUEUE_SIGNALS

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, *QUEUE_SIGNALS)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
