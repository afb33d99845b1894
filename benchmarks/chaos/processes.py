"""The processes of a cluster and of its client, each in a group of its own, each with a log."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HOST = "127.0.0.1"


class Process:
    """A Python module that runs as a process of its own; its log is appended to."""

    def __init__(self, log: Path, module: str, *arguments: str) -> None:
        self.log, self.born = log, time.time()
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # signals reach it and what it starts, and nobody else
            )

    @property
    def is_alive(self) -> bool:
        """Whether it runs, or is stopped."""
        return self._process.poll() is None

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
        self.continues: float | None = None  # when, if it is stopped
        super().__init__(
            folder / f"{self.name}.log",
            "distributed.cli.dask_worker",
            address,
            *("--name", self.name),
            *("--nthreads", "1"),
            *("--local-directory", str(folder / "workers")),
            "--no-nanny",
            "--no-dashboard",
        )

    @property
    def is_stopped(self) -> bool:
        """Whether it has been stopped, and not continued yet."""
        return self.continues is not None

    def stop(self, seconds: float) -> None:
        """Stop it for that long."""
        self.send(signal.SIGSTOP)
        self.continues = time.time() + seconds

    def go_on(self) -> None:
        """Continue it."""
        self.send(signal.SIGCONT)
        self.continues = None


class Cluster:
    """A scheduler that can be started again at its address, and workers that come and go."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._port = folder, _free_port()
        self.address = f"tcp://{HOST}:{self._port}"
        self.scheduler = self._start_scheduler()
        self.workers: list[Worker] = []
        self._started = 0

    def _start_scheduler(self) -> Process:
        return Process(
            self.folder / "scheduler.log",
            "distributed.cli.dask_scheduler",
            *("--host", HOST),
            *("--port", str(self._port)),
            "--no-dashboard",
        )

    def restart_scheduler(self) -> None:
        """Start a new scheduler where the old one was."""
        self.scheduler.kill()
        self.scheduler = self._start_scheduler()

    def add_worker(self) -> Worker:
        """Start one worker more."""
        self._started += 1
        self.workers.append(Worker(self.folder, self.address, self._started))
        return self.workers[-1]

    def bury(self) -> list[Worker]:
        """Take out workers that have ended; return them."""
        dead = [worker for worker in self.workers if not worker.is_alive]
        self.workers = [worker for worker in self.workers if worker.is_alive]
        return dead

    def close(self) -> None:
        """Kill all."""
        for process in (*self.workers, self.scheduler):
            process.kill()


@contextlib.contextmanager
def cluster_of(n_workers: int, folder: Path) -> Iterator[Cluster]:
    """Start a cluster of processes, which ends with the block."""
    cluster = Cluster(folder)
    try:
        for _ in range(n_workers):
            cluster.add_worker()
        yield cluster
    finally:
        cluster.close()


def _free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])
