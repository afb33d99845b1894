"""Makes faults, and does what a batch system or Kubernetes would do about them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from benchmarks.chaos.faults import N_WORKERS, Fault
from benchmarks.chaos.processes import Cluster, Process, Worker
from benchmarks.chaos.training import Folder


class Supervisor:
    """Keeps as many workers as are wanted, a scheduler at its address, and a client.

    Parameters
    ----------
    folder : Folder
        Of the training that the client does.
    cluster : Cluster
    """

    def __init__(self, folder: Folder, cluster: Cluster) -> None:
        self.n_starts = 0  # of the client
        self._folder, self._cluster = folder, cluster
        self._n_wanted = N_WORKERS
        self._scheduler_at: float | None = None  # when the next one starts, if there is none
        self._make: dict[str, Callable[[Fault], str]] = {
            "kill": self._kill,
            "pause": self._pause,
            "join": self._join,
            "leave": self._leave,
            "scheduler": self._kill_scheduler,
            "client": self._kill_client,
        }
        self.start_client()

    def start_client(self) -> None:
        """Start the client, with a log of its own."""
        self.n_starts += 1
        self.client = Process(
            self._folder.path / f"client-{self.n_starts}.log",
            "benchmarks.chaos.training",
            str(self._folder.path),
            self._cluster.address,
        )

    def tend(self) -> None:
        """Start what is missing, but for the client; continue what was stopped for long enough."""
        now = time.time()
        if self._scheduler_at is not None and now >= self._scheduler_at:
            self._cluster.start_scheduler()
            self._scheduler_at = None
        for worker in self._cluster.workers:
            if worker.continues_at is not None and now >= worker.continues_at:
                worker.go_on()
        self._cluster.bury()
        while len(self._cluster.workers) < self._n_wanted:
            self._cluster.add_worker()

    def make(self, fault: Fault) -> str:
        """Have a fault come; return what it hits."""
        return self._make[fault.kind](fault)

    def _pick(self, fault: Fault) -> Worker:
        """Return the worker that a fault hits: none that is stopped or leaves, if there are any."""
        workers = self._cluster.workers
        sound = [one for one in workers if one.continues_at is None and not one.leaves]
        among = sound or workers
        return among[int(fault.which * len(among))]

    def _kill(self, fault: Fault) -> str:
        worker = self._pick(fault)
        worker.kill()
        return worker.name

    def _pause(self, fault: Fault) -> str:
        worker = self._pick(fault)
        worker.stop(fault.seconds)
        return f"{worker.name}, {fault.seconds:.1f} s"

    def _join(self, fault: Fault) -> str:
        self._n_wanted += 1
        return self._cluster.add_worker().name

    def _leave(self, fault: Fault) -> str:
        worker = self._pick(fault)
        worker.leaves = True
        self._n_wanted -= 1
        if fault.retires and self._scheduler_at is None:
            self._cluster.retire(worker)
            return f"{worker.name}, retired"
        worker.send(signal.SIGTERM)
        return f"{worker.name}, SIGTERM"

    def _kill_scheduler(self, fault: Fault) -> str:
        self._cluster.scheduler.kill()
        self._scheduler_at = time.time() + fault.seconds
        return f"scheduler, {fault.seconds:.1f} s"

    def _kill_client(self, fault: Fault) -> str:
        self.client.kill()
        return "client"
