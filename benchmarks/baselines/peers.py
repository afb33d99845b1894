"""Workers that talk to each other: Dask Actors with a mailbox, and all that they have in common.

An actor's `async` methods run in its worker's event loop, so that a peer can receive while its
own thread computes: the kernels do not hold the GIL. Arrays travel from worker to worker on Dask's
own connections, uncompressed and uncopied, and never by way of the scheduler.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from distributed import Client
from numpy.typing import NDArray

from benchmarks.baselines.rows import Job

__all__ = ["Outcome", "Peer", "put_together", "train_with"]

_PATIENCE = 120.0  # seconds without the message that is waited for


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one worker tells of its training."""

    parameters: NDArray[np.float32]  # that it has in the end; empty where it has none to tell
    first_parameter: int  # where they begin in the network's vector
    losses: list[float]  # mean loss of each of its steps, where it has seen it
    payload: int  # bytes of arrays that it has sent to other workers
    messages: int  # with such arrays
    waiting: float  # seconds in which it sent, or waited for others


class Peer(ABC):
    """One of several workers: it sends arrays to others, and receives theirs."""

    def __init__(self, job: Job, rank: int, n_workers: int) -> None:
        self.job = job
        self.rank = rank
        self.n_workers = n_workers
        self.peers: Sequence[Any] = ()
        self.payload = self.messages = 0
        self.waiting = 0.0
        self._mail: dict[Hashable, Any] = {}
        self._arrived = threading.Condition()

    def meet(self, peers: Sequence[Any]) -> None:
        """Get to know the actors of all workers, by rank."""
        self.peers = peers

    async def deliver(self, tag: Hashable, values: NDArray[np.float32]) -> None:
        """Put what another worker has sent into the mailbox."""
        with self._arrived:
            self._mail[tag] = values
            self._arrived.notify_all()

    def send(self, to: int, tag: Hashable, values: NDArray[np.float32]) -> Any:
        """Begin to send; `values` must not change until the future that is returned is done."""
        self.payload += values.nbytes
        self.messages += 1
        return self.peers[to].deliver(tag, values)

    def receive(self, tag: Hashable) -> NDArray[np.float32]:
        """Wait for what has that tag, and take it out of the mailbox."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: tag in self._mail, _PATIENCE):
                raise TimeoutError(f"worker {self.rank} has waited {_PATIENCE:.0f} s for {tag}")
            values: NDArray[np.float32] = self._mail.pop(tag)
        return values

    def timed(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function that communicates, and count its time."""
        began = time.perf_counter()
        result = function(*args)
        self.waiting += time.perf_counter() - began
        return result

    def train(self) -> Outcome:
        """Train for all passes."""
        first_parameter, parameters, losses = self.steps()
        return Outcome(
            parameters, first_parameter, losses, self.payload, self.messages, self.waiting
        )

    @abstractmethod
    def steps(self) -> tuple[int, NDArray[np.float32], list[float]]:
        """Take all steps; return where the parameters begin, they themselves, and the losses."""


def train_with(
    kind: type[Peer], client: Client, job: Job, n_workers: int
) -> tuple[NDArray[np.float32], list[Outcome]]:
    """Train with an actor on each of the cluster's first workers; tell what came of it."""
    client.wait_for_workers(n_workers)
    addresses = sorted(client.scheduler_info(n_workers=-1)["workers"])[:n_workers]
    made = [
        client.submit(kind, job, rank, n_workers, actor=True, workers=[address], pure=False)
        for rank, address in enumerate(addresses)
    ]
    actors = [future.result() for future in made]
    for meeting in [actor.meet(actors) for actor in actors]:
        meeting.result()
    outcomes = [training.result() for training in [actor.train() for actor in actors]]
    return put_together(outcomes), outcomes


def put_together(outcomes: Sequence[Outcome]) -> NDArray[np.float32]:
    """Return the parameters of the network, of which each worker may have some."""
    told = sorted(
        (one for one in outcomes if one.parameters.size), key=lambda one: one.first_parameter
    )
    return np.concatenate([one.parameters for one in told])
