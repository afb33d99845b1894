"""PyTorch as a contestant: in one process of two threads, and as DDP of two processes of one.

Both have what is best for them: samples in memory as standardized float32, fused optimizers,
denormals flushed, the whole schedule warm. Eager: compiled, a step takes as long here.
"""

from __future__ import annotations

import math
import resource
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.time_to_accuracy.task import Checkpoint, Images, Log, Task

__all__ = ["ddp", "one_process"]

_CHECKPOINTS = 10  # in a pass over the samples


def one_process(task: Task, seed: int, settings: dict[str, Any], log: Log) -> Iterator[Checkpoint]:
    """Train with two threads; `settings`: optimizer, learning_rate, batch_size, passes."""
    torch.set_num_threads(2)
    torch.set_flush_denormal(True)
    X, y, to_float = _samples(task)
    log.idle_rss = _rss()
    trainer = _Trainer(task.hidden, seed, len(y), settings)
    began = time.perf_counter()
    _warm(trainer, X, y)
    log.startup["first steps"] = time.perf_counter() - began
    trainer.restart(seed)
    batches = _Batches(len(y), settings["batch_size"], seed)
    seconds = 0.0
    for until in _checkpoint_steps(trainer.n_steps, batches.per_pass):
        began = time.perf_counter()
        while trainer.done < until:
            rows = batches.rows(trainer.done)
            trainer.step(X[rows], y[rows])
        seconds += time.perf_counter() - began
        log.peak_rss = _rss()
        yield Checkpoint(seconds, trainer.predictor(to_float))


def ddp(task: Task, seed: int, settings: dict[str, Any], log: Log) -> Iterator[Checkpoint]:
    """Train with two processes of one thread; `batch_size` is that of both together."""
    began = time.perf_counter()
    context = torch.multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    with tempfile.TemporaryDirectory() as meeting:
        ranks = [
            context.Process(
                target=_ddp_rank,
                args=(rank, f"file://{meeting}/store", task, seed, settings, there),
                daemon=True,
            )
            for rank in range(2)
        ]
        for rank in ranks:
            rank.start()
        there.close()  # so that we hear when both are gone
        _, _, to_float = _samples(task)
        trainer = _Trainer(task.hidden, seed, 1, settings)  # only to predict with
        torch.set_num_threads(2)
        try:
            log.idle_rss = here.recv()
            log.startup["processes"] = time.perf_counter() - began
            while True:
                message = here.recv()
                if message is None:
                    break
                seconds, values, log.peak_rss = message
                trainer.load(values)
                yield Checkpoint(seconds, trainer.predictor(to_float))
                here.send(True)
        finally:
            for rank in ranks:
                rank.terminate()
                rank.join()


def _ddp_rank(
    rank: int, meeting: str, task: Task, seed: int, settings: dict[str, Any], out: Connection
) -> None:
    """One process of DDP: half of each batch; rank 0 tells of checkpoints."""
    import torch.distributed as dist

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    X, y, _ = _samples(task)
    idle = _rss()
    trainer = _Trainer(task.hidden, seed, len(y), settings)
    parallel = nn.parallel.DistributedDataParallel(trainer.model, gradient_as_bucket_view=True)
    trainer.forward = parallel
    half = settings["batch_size"] // 2
    warm = torch.arange(half)
    for _ in range(3):
        trainer.step(X[warm], y[warm])
    trainer.restart(seed)
    batches = _Batches(len(y), settings["batch_size"], seed)
    seconds = 0.0
    if rank == 0:
        out.send(idle)
    for until in _checkpoint_steps(trainer.n_steps, batches.per_pass):
        dist.barrier()
        began = time.perf_counter()
        while trainer.done < until:
            rows = batches.rows(trainer.done)[rank * half : (rank + 1) * half]
            trainer.step(X[rows], y[rows])
        seconds += time.perf_counter() - began
        if rank == 0:
            out.send((seconds, trainer.values(), _rss()))
            out.recv()
    if rank == 0:
        out.send(None)
    dist.barrier()


class _Trainer:
    """A network, its optimizer, and a learning rate that warms up and follows a cosine to 0."""

    def __init__(self, hidden: int, seed: int, n_samples: int, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.hidden = hidden
        self.n_steps = math.ceil(n_samples * settings["passes"] / settings["batch_size"])
        self.model = nn.Sequential(
            nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, 10),
        )  # fmt: skip
        self.forward: Any = self.model
        self.restart(seed)

    def restart(self, seed: int) -> None:
        """Draw initial values, and forget the optimizer's state."""
        torch.manual_seed(seed)
        for layer in self.model:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        rate, weights = self.settings["learning_rate"], self.model.parameters()
        if self.settings["optimizer"] == "adamw":
            decay = self.settings.get("weight_decay", 0.01)
            self.optimizer: Any = torch.optim.AdamW(weights, rate, weight_decay=decay, fused=True)
        else:
            self.optimizer = torch.optim.SGD(weights, rate, momentum=0.9, fused=True)
        self.done = 0

    def step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Take one step, at the schedule's rate."""
        nn.functional.cross_entropy(self.forward(x), y).backward()
        warm_up = max(1, min(100, self.n_steps // 5))
        rate = 0.5 * (1 + math.cos(math.pi * self.done / self.n_steps))
        rate *= min(1.0, (self.done + 1) / warm_up) * self.settings["learning_rate"]
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.done += 1

    def values(self) -> list[NDArray[np.float32]]:
        """Copy the parameters."""
        return [value.detach().numpy().copy() for value in self.model.parameters()]

    def load(self, values: list[NDArray[np.float32]]) -> None:
        """Take parameters over."""
        with torch.no_grad():
            for value, given in zip(self.model.parameters(), values, strict=True):
                value.copy_(torch.from_numpy(given))

    def predictor(self, to_float: Any) -> Any:
        """Make a function from images to classes, by the model as it is now."""

        def predict(X: Images) -> NDArray[Any]:
            with torch.no_grad():
                return self.model(to_float(X)).argmax(1).numpy()

        return predict


class _Batches:
    """Rows of each step: pass after pass in a new random order, drawn when a pass begins."""

    def __init__(self, n_samples: int, batch_size: int, seed: int) -> None:
        self.per_pass = n_samples // batch_size
        self._n, self._size, self._pass = n_samples, batch_size, -1
        self._random = torch.Generator().manual_seed(seed)

    def rows(self, step: int) -> torch.Tensor:
        if step // self.per_pass != self._pass:
            self._pass = step // self.per_pass
            self._order = torch.randperm(self._n, generator=self._random)
        first = step % self.per_pass * self._size
        return self._order[first : first + self._size]


def _samples(task: Task) -> tuple[torch.Tensor, torch.Tensor, Any]:
    """Standardized samples and their classes as tensors, and what standardizes others."""
    X, y = task.train
    mean, scale = float(X.mean()), float(X.std())

    def to_float(images: Images) -> torch.Tensor:
        return torch.from_numpy((images.astype(np.float32) - mean) / scale)

    return to_float(X), torch.from_numpy(y.astype(np.int64)), to_float


def _warm(trainer: _Trainer, X: torch.Tensor, y: torch.Tensor) -> None:
    rows = torch.arange(trainer.settings["batch_size"])
    for _ in range(5):
        trainer.step(X[rows], y[rows])


def _checkpoint_steps(n_steps: int, per_pass: int) -> list[int]:
    """After which steps there is a checkpoint; the last is one."""
    every = max(1, per_pass // _CHECKPOINTS)
    steps = list(range(every, n_steps, every))
    return [*steps, n_steps]


def _rss() -> float:
    """Peak memory of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
