"""Where a command works: on a running cluster, in processes it starts, or in its own process."""

from __future__ import annotations

import contextlib
import importlib
import logging
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from dask_horn.cli.command import option
from dask_horn.cli.scheduler_file import address_of

if TYPE_CHECKING:
    from distributed import Client

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
    help="End the run after so long without progress on the cluster; by default wait, and say what "
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

    from dask_horn.cli.signals import IgnoreSignals, holding_signals

    with contextlib.ExitStack() as stack:
        with warnings.catch_warnings(), holding_signals():
            # The dashboard's usual port may be taken: it gets another, and its address is printed.
            warnings.filterwarnings("ignore", "Port .* is already in use", UserWarning)
            quiet = {"silence_logs": logging.CRITICAL, "processes": True}
            cluster = LocalCluster(n_workers=n_workers, threads_per_worker=1, **quiet)
            client = stack.enter_context(Client(stack.enter_context(cluster)))
            client.register_plugin(IgnoreSignals())
        client.run(_import_library, wait=False)  # while this process opens the samples
        yield client


async def _import_library() -> None:  # Dask waits for no others
    importlib.import_module("dask_horn.training")
