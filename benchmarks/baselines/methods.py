"""The baselines: how a step is shared between workers, and what they send each other for it."""

from __future__ import annotations

import asyncio
import threading
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.network import Layers, Matrix, initial_values
from benchmarks.baselines.peers import Peer
from benchmarks.baselines.rows import Job, Rows, batch_bounds

__all__ = ["DataParallel", "ModelParallel", "ParameterServer", "cuts"]


def _all_layers(job: Job, batch_size: int) -> Layers:
    start = initial_values(job.widths, job.seed)
    return Layers(job.widths, range(len(job.widths) - 1), start, batch_size)


def _gradients(layers: Layers, job: Job, rows: Rows, entries: NDArray[np.int64]) -> float:
    """Go forward and backward with these rows; return their loss."""
    layers.gather(rows.samples, entries, job.mean, job.scale)
    loss = layers.forward(entries.size, rows.targets[entries])
    layers.backward(entries.size)
    return loss


class DataParallel(Peer):
    """Synchronous data-parallel SGD on two workers: gradients are combined in every step.

    Each worker has its own share of the rows, a copy of the network and of the optimizer's state,
    and a part of each global batch. All add the same numbers in the same order, so their copies
    stay equal to the bit.
    """

    def steps(self) -> tuple[int, Matrix, list[float]]:
        """Take all steps, together with the others."""
        job, rows = self.job, Rows(self.job, self.rank, self.n_workers)
        n_steps = job.steps_of_pass(job.n_rows)
        numbers = [job.n_own(rank, self.n_workers) for rank in range(self.n_workers)]
        sizes = np.diff([batch_bounds(number, n_steps) for number in numbers])  # (workers, steps)
        layers = _all_layers(job, int(sizes[self.rank].max()))
        rates, losses = job.rates(n_steps * job.n_passes), []
        decay = job.decay(rates.size)
        for step, entries in enumerate(rows.batches(n_steps, job.n_passes)):
            losses.append(_gradients(layers, job, rows, entries))
            share = np.float32(entries.size / sizes[:, step % n_steps].sum())
            self.timed(self._combine, layers.gradients, share, step)
            layers.update(rates[step], decay)
        told = layers.parameters if self.rank == 0 else np.empty(0, np.float32)
        return 0, told, losses

    def _combine(self, gradients: Matrix, share: np.float32, step: int) -> None:
        """Make `gradients` the mean of both workers' own, weighted by their shares, in place."""
        gradients *= share
        if self.n_workers == 1:
            return
        (other,) = {0, 1} - {self.rank}  # two workers: one exchange, of as many bytes as a ring
        sent = self.send(other, step, gradients)
        theirs = self.receive(step)
        sent.result()
        gradients += theirs  # a + b is b + a, to the bit


def cuts(widths: tuple[int, ...], n_workers: int) -> list[range]:
    """Give each worker successive layers, the most loaded one as little as can be."""
    sizes = [a * b for a, b in pairwise(widths)]
    costs = [size * (3 if i else 2) for i, size in enumerate(sizes)]  # samples need no gradient
    if n_workers > len(costs):
        raise ValueError(f"{n_workers} workers are more than the network's {len(costs)} layers")
    divisions = [
        [range(a, b) for a, b in pairwise((0, *inner, len(costs)))]
        for inner in combinations(range(1, len(costs)), n_workers - 1)
    ]
    return min(divisions, key=lambda ranges: max(sum(costs[i] for i in own) for own in ranges))


class ModelParallel(Peer):
    """Layer-wise model parallelism: each worker has some layers, and all rows of every batch.

    Activations travel forward from worker to worker and their gradients back. A batch is done
    before the next one begins, so this is the undivided network's SGD, and workers take turns.
    """

    def steps(self) -> tuple[int, Matrix, list[float]]:
        """Take all steps, after the worker before and before the worker after."""
        job, first, last = self.job, self.rank == 0, self.rank == self.n_workers - 1
        rows = Rows(job, samples=first, targets=last)
        n_steps = job.steps_of_pass(rows.n_rows)
        own = cuts(job.widths, self.n_workers)[self.rank]
        layers = Layers(job.widths, own, initial_values(job.widths, job.seed), job.batch_size)
        rates, losses = job.rates(n_steps * job.n_passes), []
        decay = job.decay(rates.size)
        for step, entries in enumerate(rows.batches(n_steps, job.n_passes)):
            n = entries.size
            if first:
                layers.gather(rows.samples, entries, job.mean, job.scale)
            else:
                layers.values[0][:n] = self.timed(self.receive, (step, "forward"))
            loss = layers.forward(n, rows.targets[entries] if last else None)
            if last:
                losses.append(loss)
            else:
                self.timed(self._hand_over, self.rank + 1, (step, "forward"), layers.values[-1][:n])
                layers.slopes[-1][:n] = self.timed(self.receive, (step, "backward"))
            layers.backward(n)
            if not first:
                self.timed(self._hand_over, self.rank - 1, (step, "backward"), layers.slopes[0][:n])
            layers.update(rates[step], decay)
        return layers.first, layers.parameters, losses

    def _hand_over(self, to: int, tag: tuple[int, str], values: Matrix) -> None:
        """Send, and wait until it has arrived."""
        self.send(to, tag, values).result()


class _Server:
    """The parameters, and the optimizer; safe for several threads."""

    def __init__(self, job: Job, n_steps: int) -> None:
        self._layers = _all_layers(job, 1)
        self._rates, self._decay = iter(job.rates(n_steps)), job.decay(n_steps)
        self._lock = threading.Lock()

    def parameters(self) -> Matrix:
        """Return a copy of the parameters as they are now."""
        with self._lock:
            return self._layers.parameters.copy()

    def push(self, gradients: Matrix) -> Matrix:
        """Take a step along some worker's gradients; return a copy of the parameters."""
        with self._lock:
            self._layers.gradients[:] = gradients
            self._layers.update(next(self._rates), self._decay)
            return self._layers.parameters.copy()


class ParameterServer(Peer):
    """An asynchronous parameter server on the first worker, which trains too.

    Each worker goes through its own share of the rows in whole batches, pushes gradients, goes on
    from what it gets back, and waits for nobody: its gradients are those of parameters that others
    may have changed since.
    """

    def __init__(self, job: Job, rank: int, n_workers: int) -> None:
        super().__init__(job, rank, n_workers)
        numbers = [job.n_own(one, n_workers) for one in range(n_workers)]
        self._n_steps = [job.steps_of_pass(number) for number in numbers]
        if rank == 0:
            self._server = _Server(job, job.n_passes * sum(self._n_steps))

    async def fetch(self) -> Matrix:
        """Return the parameters: called by the other workers."""
        return await self._answered(self._server.parameters)

    async def push(self, gradients: Matrix) -> Matrix:
        """Take a step and return the parameters: called by the other workers."""
        return await self._answered(self._server.push, gradients)

    def steps(self) -> tuple[int, Matrix, list[float]]:
        """Take this worker's steps, whatever the others do."""
        job, rows = self.job, Rows(self.job, self.rank, self.n_workers)
        layers, losses = _all_layers(job, job.batch_size), []
        layers.parameters[:] = self._fetched()
        for entries in rows.batches(self._n_steps[self.rank], job.n_passes):
            losses.append(_gradients(layers, job, rows, entries))
            layers.parameters[:] = self.timed(self._pushed, layers.gradients)
        self._meet_at_the_end()
        told = self._server.parameters() if self.rank == 0 else np.empty(0, np.float32)
        return 0, told, losses

    def _fetched(self) -> Matrix:
        if self.rank == 0:
            return self._server.parameters()
        parameters: Matrix = self.peers[0].fetch().result()
        return parameters

    def _pushed(self, gradients: Matrix) -> Matrix:
        if self.rank == 0:
            return self._server.push(gradients)
        self.payload += gradients.nbytes
        self.messages += 1
        parameters: Matrix = self.peers[0].push(gradients).result()
        return parameters

    def _meet_at_the_end(self) -> None:
        """Let the server's worker wait until all others have pushed their last gradients."""
        if self.rank:
            self.send(0, ("end", self.rank), np.empty(0, np.float32)).result()
            return
        for rank in range(1, self.n_workers):
            self.receive(("end", rank))

    async def _answered(self, function: object, *args: object) -> Matrix:
        """Call a function in a thread of its own: the event loop must not wait for a lock."""
        answer = await asyncio.get_running_loop().run_in_executor(None, function, *args)
        self.messages += 1
        self.payload += answer.nbytes
        return answer
