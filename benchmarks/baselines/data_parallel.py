"""Synchronous data-parallel SGD: gradients are combined in every step, on all workers.

Each worker has its own share of the rows, a copy of the network and of the optimizer's state, and
a part of each global batch. All workers add the same numbers in the same order, so their copies
stay equal to the bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.peers import Peer
from benchmarks.baselines.programs import Machine, part_of
from benchmarks.baselines.rows import batch_bounds, read_rows, share_of, step_rates, steps_of_pass
from dask_horn.training.tasks.division import first_values

__all__ = ["DataParallel"]


class DataParallel(Peer):
    """One worker of synchronous data-parallel SGD."""

    def steps(self) -> tuple[int, NDArray[np.float32], list[float]]:
        """Take all steps, together with the others."""
        spec = self.spec
        rows = read_rows(spec, self.rank, self.n_workers)
        numbers = [
            sum(map(len, share_of(spec, rank, self.n_workers))) for rank in range(self.n_workers)
        ]
        n_steps = steps_of_pass(spec, sum(numbers))
        bounds = [batch_bounds(number, n_steps) for number in numbers]
        rates = step_rates(spec, n_steps)
        part = part_of(
            spec.network,
            range(len(spec.network.layers)),
            batch_size=int(np.diff(bounds[self.rank]).max()),
            sample_dtype=spec.samples.decoded_dtype,
            optimizer=spec.optimizer,
        )
        machine = Machine(part, first_values(spec, 0), spec.standardizer)
        losses = []
        for step, rate in enumerate(rates):
            number, place = divmod(step, n_steps)
            if place == 0:
                order = rows.order(number)
            sizes = [int(bound[place + 1] - bound[place]) for bound in bounds]
            start = bounds[self.rank][place]
            entries = order[start : start + sizes[self.rank]]
            losses.append(machine.forward(rows.samples, rows.targets, entries))
            machine.backward(entries.size)
            weights = np.array(sizes, np.float32) / np.float32(sum(sizes))
            self.timed(self._combine, machine.gradients, weights, step)
            machine.update(step, float(rate))
        told = machine.parameters.copy() if self.rank == 0 else np.empty(0, np.float32)
        return 0, told, losses

    def _combine(
        self, gradients: NDArray[np.float32], weights: NDArray[np.float32], step: int
    ) -> None:
        """Make `gradients` the weighted mean of all workers' own, in place."""
        gradients *= weights[self.rank]
        if self.n_workers == 1:
            return
        if self.n_workers == 2:  # as many bytes as by halves, in one exchange instead of two
            other = 1 - self.rank
            sent = self.send(other, step, gradients)
            theirs = self.receive(step)
            sent.result()
            gradients += theirs  # a + b is b + a, to the bit
            return
        self._reduce_and_gather(gradients, step)

    def _reduce_and_gather(self, gradients: NDArray[np.float32], step: int) -> None:
        """Each worker adds up one piece of all gradients, and sends it to all."""
        pieces = np.array_split(gradients, self.n_workers)
        others = [rank for rank in range(self.n_workers) if rank != self.rank]
        sent = [self.send(to, (step, "piece", self.rank), pieces[to]) for to in others]
        total = np.zeros_like(pieces[self.rank])
        for rank in range(self.n_workers):
            total += pieces[rank] if rank == self.rank else self.receive((step, "piece", rank))
        for future in sent:
            future.result()
        sent = [self.send(to, (step, "sum", self.rank), total) for to in others]
        pieces[self.rank][:] = total
        for rank in others:
            pieces[rank][:] = self.receive((step, "sum", rank))
        for future in sent:
            future.result()
