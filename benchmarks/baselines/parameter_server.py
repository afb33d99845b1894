"""An asynchronous parameter server: workers push gradients and go on from what they get back.

The server is a Dask Actor on the first worker, which trains too. Each worker goes through its own
share of the rows in whole batches, and waits for nobody: its gradients are those of parameters
that others may have changed since. The server's optimizer takes them as they come.
"""

from __future__ import annotations

import asyncio
import threading

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.peers import Peer
from benchmarks.baselines.programs import Machine, Part, part_of
from benchmarks.baselines.rows import batch_bounds, read_rows, share_of, step_rates, steps_of_pass
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.tasks.division import first_values

__all__ = ["ParameterServer"]


class _Server:
    """The parameters, and the optimizer; safe for several threads."""

    def __init__(self, part: Part, spec: RunSpec, rates: NDArray[np.float64]) -> None:
        self._machine = Machine(part, first_values(spec, 0), spec.standardizer)
        self._rates = rates
        self._step = 0
        self._lock = threading.Lock()

    def parameters(self) -> NDArray[np.float32]:
        """Return a copy of the parameters as they are now."""
        with self._lock:
            return self._machine.parameters.copy()

    def push(self, gradients: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take a step along some worker's gradients; return a copy of the parameters."""
        with self._lock:
            self._machine.gradients[:] = gradients
            self._machine.update(self._step, float(self._rates[self._step]))
            self._step += 1
            return self._machine.parameters.copy()


class ParameterServer(Peer):
    """One worker with an asynchronous parameter server; the first one has the server."""

    def __init__(self, spec: RunSpec, rank: int, n_workers: int) -> None:
        super().__init__(spec, rank, n_workers)
        self._part = part_of(
            spec.network,
            range(len(spec.network.layers)),
            batch_size=spec.batch_size,
            sample_dtype=spec.samples.decoded_dtype,
            optimizer=spec.optimizer,
        )
        numbers = [sum(map(len, share_of(spec, rank, n_workers))) for rank in range(n_workers)]
        self._n_steps = [steps_of_pass(spec, number) for number in numbers]
        if rank == 0:
            self._server = _Server(self._part, spec, step_rates(spec, sum(self._n_steps)))

    async def fetch(self) -> NDArray[np.float32]:
        """Return the parameters: called by the other workers."""
        self.messages += 1
        parameters = await self._in_thread(self._server.parameters)
        self.payload += parameters.nbytes
        return parameters

    async def push(self, gradients: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take a step and return the parameters: called by the other workers."""
        self.messages += 1
        parameters = await self._in_thread(self._server.push, gradients)
        self.payload += parameters.nbytes
        return parameters

    def steps(self) -> tuple[int, NDArray[np.float32], list[float]]:
        """Take this worker's steps, whatever the others do."""
        spec = self.spec
        rows = read_rows(spec, self.rank, self.n_workers)
        n_steps = self._n_steps[self.rank]
        bounds = batch_bounds(rows.n_rows, n_steps)
        machine = Machine(self._part, self._fetched(), spec.standardizer)
        losses = []
        for number in range(len(spec.rounds)):
            order = rows.order(number)
            for place in range(n_steps):
                entries = order[bounds[place] : bounds[place + 1]]
                losses.append(machine.forward(rows.samples, rows.targets, entries))
                machine.backward(entries.size)
                machine.parameters[:] = self.timed(self._pushed, machine.gradients)
        self._meet_at_the_end()
        told = self._server.parameters() if self.rank == 0 else np.empty(0, np.float32)
        return 0, told, losses

    def _fetched(self) -> NDArray[np.float32]:
        if self.rank == 0:
            return self._server.parameters()
        parameters: NDArray[np.float32] = self.peers[0].fetch().result()
        return parameters

    def _pushed(self, gradients: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.rank == 0:
            return self._server.push(gradients)
        self.payload += gradients.nbytes
        self.messages += 1
        parameters: NDArray[np.float32] = self.peers[0].push(gradients).result()
        return parameters

    def _meet_at_the_end(self) -> None:
        """Let the server's worker wait until all others have pushed their last gradients."""
        if self.rank:
            self.send(0, ("end", self.rank), np.empty(0, np.float32)).result()
            return
        for rank in range(1, self.n_workers):
            self.receive(("end", rank))

    @staticmethod
    async def _in_thread(function: object, *args: object) -> NDArray[np.float32]:
        """Call a function in a thread of its own: the event loop must not wait for a lock."""
        return await asyncio.get_running_loop().run_in_executor(None, function, *args)
