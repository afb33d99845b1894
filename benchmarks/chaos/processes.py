"""The processes of a cluster and of its client, each in a group of its own, each with a log."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

HOST = "127.0.0.1"

#: Seconds without a word after which the scheduler gives a worker up: 300, unless told otherwise.
TTL = 5

_DEFAULT: Mapping[str, str] = {}
_ALONE = 300  # seconds after which a cluster ends whose benchmark was killed


class Process:
    """A Python module that runs as a process of its own; its log is appended to.

    Parameters
    ----------
    log : Path
    module : str
    *arguments : str
        Of its command line.
    configuration : mapping, optional
        Of Dask, by the names of environment variables.
    """

    def __init__(
        self, log: Path, module: str, *arguments: str, configuration: Mapping[str, str] = _DEFAULT
    ) -> None:
        self.log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env={**os.environ, **configuration},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # signals reach it and what it starts, and nobody else
            )

    @property
    def is_alive(self) -> bool:
        """Whether it runs, or is stopped."""
        return self._process.poll() is None

    @property
    def code(self) -> int | None:
        """What it has ended with: minus a signal's number, if one killed it."""
        return self._process.poll()

    def wait(self) -> int:
        """Wait until it ends; return its code."""
        return self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of its group, if it is there still."""
        if self.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        self.send(signal.SIGKILL)
        self._process.wait()


class Worker(Process):
    """A worker of one thread, without a nanny: one that is killed stays away."""

    def __init__(self, folder: Path, address: str, number: int) -> None:
        self.name = f"worker-{number}"
        self.continues_at: float | None = None  # seconds since the epoch, while it is stopped
        self.leaves = False  # whether it is on its way out
        super().__init__(
            folder / f"{self.name}.log",
            "distributed.cli.dask_worker",
            address,
            *("--name", self.name),
            *("--nthreads", "1"),
            *("--local-directory", str(folder / "workers")),
            *("--death-timeout", str(_ALONE)),
            "--no-nanny",
            "--no-dashboard",
        )

    def stop(self, seconds: float) -> None:
        """Stop it for that long."""
        self.send(signal.SIGSTOP)
        self.continues_at = time.time() + seconds

    def go_on(self) -> None:
        """Continue it."""
        self.send(signal.SIGCONT)
        self.continues_at = None


class Cluster:
    """A scheduler that can be started again at its address, and workers that come and go.

    Parameters
    ----------
    folder : Path
        For logs, and for what workers put on disk.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._port = folder, _free_port()
        self.address = f"tcp://{HOST}:{self._port}"
        self.workers: list[Worker] = []  # the oldest first
        self._n_started = 0
        self._others: list[Process] = []
        self.start_scheduler()

    def start_scheduler(self) -> None:
        """Start a scheduler, where the one before it was."""
        self.scheduler = Process(
            self.folder / "scheduler.log",
            "distributed.cli.dask_scheduler",
            *("--host", HOST),
            *("--port", str(self._port)),
            *("--idle-timeout", str(_ALONE)),
            "--no-dashboard",
            configuration={"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": f"{TTL}s"},
        )

    def add_worker(self) -> Worker:
        """Start one worker more."""
        self._n_started += 1
        self.workers.append(Worker(self.folder, self.address, self._n_started))
        return self.workers[-1]

    def retire(self, worker: Worker) -> None:
        """Have the scheduler send a worker away, without waiting until it has."""
        log = self.folder / "retired.log"
        self._others.append(Process(log, "benchmarks.chaos.retire", self.address, worker.name))

    def bury(self) -> None:
        """Forget workers that have ended."""
        self.workers = [worker for worker in self.workers if worker.is_alive]

    def close(self) -> None:
        """Kill all."""
        for process in (*self._others, *self.workers, self.scheduler):
            process.kill()


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Cluster]:
    """Start a cluster without workers yet, which ends with the block."""
    cluster = Cluster(folder)
    try:
        yield cluster
    finally:
        cluster.close()


def _free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])
