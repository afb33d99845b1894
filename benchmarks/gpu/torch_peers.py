"""PyTorch on a GPU as its best users write it: eager, compiled, in a CUDA graph, and stacked.

All of them take a step on each batch of `x` (n_batches, …, batch, features), which lie on the
device already, and are spared the gather that ours does. AdamW is the fused one. On a machine
without a GPU the same code runs, without graphs.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmarks.operations import RATE, Call
from benchmarks.torch_steps import dense_model

__all__ = [
    "HOW",
    "Stepper",
    "device",
    "graphed",
    "need_graphs",
    "one",
    "set_precision",
    "stacked",
    "stacked_stepper",
    "stepper",
    "synchronize",
    "trained",
    "waited",
]

_RATE = 2e-3  # of whole trainings, at the start
HOW = ("eager", "compiled", "graph")
Widths = tuple[int, ...]


@functools.cache
def device() -> str:
    """Return where PyTorch computes here."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def need_graphs() -> None:
    """Say by an error that there are none here, or no PyTorch."""
    if device() != "cuda":
        raise NotImplementedError("PyTorch finds no GPU: it computes on the CPU, without graphs")


def synchronize() -> None:
    """Wait for the device."""
    import torch

    if device() == "cuda":
        torch.cuda.synchronize()


def set_precision(tf32: bool) -> None:
    """Have products be of float32 throughout, or of factors that are rounded to TF32."""
    if importlib.util.find_spec("torch") is None:
        return  # whoever needs it says that it is missing
    import torch

    torch.set_float32_matmul_precision("high" if tf32 else "highest")


def _data(widths: Widths, n_batches: int, batch: int, n: int | None = None) -> tuple[Any, Any]:
    """Make random samples and classes, of n networks or of one."""
    import torch

    shape = (n_batches, batch) if n is None else (n_batches, n, batch)
    x = torch.randn(*shape, widths[0], device=device())
    return x, torch.randint(0, widths[-1], shape, device=device())


def _adamw(parameters: Any, rate: Any = RATE) -> Any:
    import torch

    # Without decay, as ours: the kernel is the same.
    return torch.optim.AdamW(
        parameters, rate, weight_decay=0.0, fused=True, capturable=device() == "cuda"
    )


class Stepper(NamedTuple):
    """What trains: ``step(x, y)``, ``scores(x)``, ``reset()``, which begins anew, and its tensors.

    `parameters` are the tensors by name, that of a stacked one with the networks first; whoever
    sets other initial values copies into them.
    """

    step: Callable[[Any, Any], None]
    scores: Callable[[Any], Any]
    reset: Call
    parameters: dict[str, Any]


def stepper(widths: Widths, rate: Any = RATE, *, compiled: bool = False) -> Stepper:
    """Return what trains one network; if compiled, with CUDA graphs of PyTorch's own making.

    Then the model and the loss are compiled, forward and back; the optimizer is one kernel anyway.
    """
    import torch
    from torch.nn.functional import cross_entropy

    torch.manual_seed(0)
    model = dense_model(widths).to(device())
    optimizer = _adamw(model.parameters(), rate)

    def loss_of(x: Any, y: Any) -> Any:
        return cross_entropy(model(x), y)

    if compiled:
        # Else what was compiled before of the same lines counts: shapes would become variables.
        torch.compiler.reset()
        loss_of = torch.compile(loss_of, mode="reduce-overhead", dynamic=False, fullgraph=True)

    def step(x: Any, y: Any) -> None:
        if compiled:
            torch.compiler.cudagraph_mark_step_begin()
        # Gradients are then written, not added to zeros; a graph has them in memory of its own.
        optimizer.zero_grad(set_to_none=True)
        loss_of(x, y).backward()
        optimizer.step()

    def scores(x: Any) -> Any:
        with torch.no_grad():
            return model(x)

    parameters = dict(model.named_parameters())
    return Stepper(step, scores, _reset(list(parameters.values()), optimizer), parameters)


def stacked_stepper(widths: Widths, n: int, rate: Any = RATE) -> Stepper:
    """Return what trains n stacked networks at once.

    Gradients are those of ``vmap(grad(…))``, and there is one optimizer, for AdamW's step is the
    same for all parameters.
    """
    import torch
    from torch.func import functional_call, grad, stack_module_state, vmap
    from torch.nn.functional import cross_entropy

    torch.manual_seed(0)
    members = [dense_model(widths) for _ in range(min(n, 64))]
    stacks, _ = stack_module_state(members)
    parameters = {
        name: stack[torch.arange(n) % len(members)].detach().to(device())
        for name, stack in stacks.items()
    }
    model = dense_model(widths).to("meta")  # its values are never asked for
    optimizer = _adamw(parameters.values(), rate)

    def loss_of(own: Any, x: Any, y: Any) -> Any:
        return cross_entropy(functional_call(model, own, (x,)), y)

    gradients = vmap(grad(loss_of))

    def step(x: Any, y: Any) -> None:
        for name, gradient in gradients(parameters, x, y).items():
            parameters[name].grad = gradient.contiguous()  # as the fused optimizer wants it
        optimizer.step()

    def scores(x: Any) -> Any:
        return vmap(lambda own, x: functional_call(model, own, (x,)), (0, None))(parameters, x)

    return Stepper(step, scores, _reset(list(parameters.values()), optimizer), parameters)


def _reset(parameters: list[Any], optimizer: Any) -> Call:
    """Return what puts everything back, in place: graphs know where it is."""
    import torch

    start = [own.detach().clone() for own in parameters]

    def reset() -> None:
        with torch.no_grad():
            for own, values in zip(parameters, start, strict=True):
                own.copy_(values)
            for state in optimizer.state.values():
                for value in state.values():
                    value.zero_()

    return reset


def graphed(work: Call, warm_up: Call | None = None) -> Call:
    """Return what does the work as a CUDA graph; some of it may be enough to warm up."""
    import torch

    if device() != "cuda":
        return work
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(2):
            (warm_up or work)()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return _Recorded(graph, work)


@dataclass(frozen=True)
class _Recorded:
    """A graph, and the work that it does: no graph keeps alive what it reads and writes."""

    graph: Any
    work: Call

    def __call__(self) -> None:
        self.graph.replay()


def waited(work: Call, times: int) -> Call:
    """Return what does the work so many times, and waits for the last."""

    def call() -> None:
        for _ in range(times):
            work()
        synchronize()

    return call


def one(widths: Widths, batch: int, how: str, steps: int) -> Call:
    """Make a call of so many steps of one network; `how` is one of `HOW`."""
    n_batches = min(4, steps)
    x, y = _data(widths, n_batches, batch)
    step = stepper(widths, compiled=how == "compiled").step

    def passes() -> None:
        for own, wanted in zip(x, y, strict=True):
            step(own, wanted)

    return waited(graphed(passes) if how == "graph" else passes, steps // n_batches)


def stacked(widths: Widths, n: int, batch: int, steps: int) -> Call:
    """Make a call of so many steps of n networks at once, in a CUDA graph."""
    n_batches = min(4, steps)
    x, y = _data(widths, n_batches, batch, n)
    step = stacked_stepper(widths, n).step

    def passes() -> None:
        for own, wanted in zip(x, y, strict=True):
            step(own, wanted)

    return waited(graphed(passes), steps // n_batches)


def trained(
    widths: Widths, n: int | None, sets: tuple[Any, Any, Any, Any], batch: int, epochs: int
) -> list[tuple[float, float]]:
    """Train on samples and classes, and return seconds and accuracy on others after each epoch.

    `sets` are both of the training set, and both of the test set. An epoch is one CUDA graph, with
    the gather of its batches; the clock stops while accuracy is measured. The rate falls to zero by
    a half cosine, an epoch at a time. Of n networks the averaged probabilities are judged.
    """
    import torch

    x, y, test, wanted = (torch.as_tensor(part, device=device()) for part in sets)
    x, test = _standardized(x, test)
    rate = torch.tensor(_RATE, device=device())
    steps = len(x) // batch
    step, scores, reset, _ = (
        stepper(widths, rate) if n is None else stacked_stepper(widths, n, rate)
    )
    order = torch.zeros((steps, batch) if n is None else (steps, n, batch), dtype=torch.int64).to(
        device()
    )

    def epoch() -> None:
        for rows in order:
            step(x[rows], y[rows])

    work = graphed(epoch, warm_up=lambda: step(x[order[0]], y[order[0]]))
    reset()
    found, seconds = [], 0.0
    for i in range(epochs):
        began = time.perf_counter()
        rate.fill_(_RATE * 0.5 * (1 + math.cos(math.pi * i / epochs)))
        drawn = torch.rand(n or 1, len(x), device=device()).argsort(1)[:, : steps * batch]
        drawn = drawn.reshape(-1, steps, batch).transpose(0, 1)
        order.copy_(drawn[:, 0] if n is None else drawn)
        work()
        synchronize()
        seconds += time.perf_counter() - began
        with torch.no_grad():
            chances = torch.softmax(scores(test), -1)
        best = (chances if n is None else chances.mean(0)).argmax(1)
        found.append((seconds, float((best == wanted).float().mean())))
    return found


def _standardized(x: Any, test: Any) -> tuple[Any, Any]:
    x, test = x.float(), test.float()
    mean, scale = x.mean(0), x.std(0)
    scale[scale == 0] = 1
    return (x - mean) / scale, (test - mean) / scale
