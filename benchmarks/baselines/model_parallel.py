"""Layer-wise model parallelism: each worker has some layers, and all rows of every batch.

Activations travel forward from worker to worker and their gradients back. A batch is done before
the next one begins, so this is the undivided network's SGD, and the workers take turns.
"""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.peers import Peer
from benchmarks.baselines.programs import Machine, part_of
from benchmarks.baselines.rows import batch_bounds, read_rows, step_rates, steps_of_pass
from dask_horn.network import Network
from dask_horn.training.tasks.division import first_values

__all__ = ["ModelParallel", "cuts"]


def cuts(network: Network, n_workers: int) -> list[range]:
    """Give each worker successive layers, the most loaded one as little as can be."""
    costs = []
    for number in range(len(network.layers)):
        products = 3 if number else 2  # the samples need no gradient
        costs.append(products * sum(tensor.size for tensor in network.stages[number].tensors))
    n_layers = len(costs)
    if n_workers > n_layers:
        raise ValueError(f"{n_workers} workers are more than the network's {n_layers} layers")
    divisions = [
        [range(a, b) for a, b in pairwise((0, *inner, n_layers))]
        for inner in combinations(range(1, n_layers), n_workers - 1)
    ]
    return min(divisions, key=lambda ranges: max(sum(costs[i] for i in own) for own in ranges))


class ModelParallel(Peer):
    """One worker of layer-wise model parallelism."""

    def steps(self) -> tuple[int, NDArray[np.float32], list[float]]:
        """Take all steps, after the worker before and before the worker after."""
        spec, first, last = self.spec, self.rank == 0, self.rank == self.n_workers - 1
        rows = read_rows(spec, samples=first, targets=last)
        n_steps = steps_of_pass(spec, rows.n_rows)
        bounds = batch_bounds(rows.n_rows, n_steps)
        part = part_of(
            spec.network,
            cuts(spec.network, self.n_workers)[self.rank],
            batch_size=spec.batch_size,
            sample_dtype=spec.samples.decoded_dtype,
            optimizer=spec.optimizer,
        )
        machine = Machine(part, first_values(spec, 0), spec.standardizer)
        losses = []
        for step, rate in enumerate(step_rates(spec, n_steps)):
            number, place = divmod(step, n_steps)
            if place == 0:
                order = rows.order(number)
            entries = order[bounds[place] : bounds[place + 1]]
            size = entries.size
            if not first:
                arrived = self.timed(self.receive, (step, "forward"))
                machine.batch(part.input, size, part.n_in)[:] = arrived
            loss = machine.forward(rows.samples, rows.targets, entries)
            if last:
                losses.append(loss)
            else:
                outputs = machine.batch(part.output, size, part.n_out)
                self.timed(self._hand_over, self.rank + 1, (step, "forward"), outputs)
                arrived = self.timed(self.receive, (step, "backward"))
                machine.batch(part.output_gradient, size, part.n_out)[:] = arrived
            machine.backward(size)
            if not first:
                slopes = machine.batch(part.input_gradient, size, part.n_in)
                self.timed(self._hand_over, self.rank - 1, (step, "backward"), slopes)
            machine.update(step, float(rate))
        return part.first_parameter, machine.parameters.copy(), losses

    def _hand_over(self, to: int, tag: tuple[int, str], values: NDArray[np.float32]) -> None:
        """Send, and wait until it has arrived."""
        self.send(to, tag, values).result()
