"""One network at a time, in float32 and TF32, beside PyTorch and what the GPU can do at most."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from benchmarks.floors import n_operations, products_of
from benchmarks.gpu import torch_peers
from benchmarks.gpu.board import Board
from benchmarks.gpu.checks import dense, samples
from benchmarks.gpu.scale import Scale
from benchmarks.operations import Many

__all__ = ["ceilings", "networks"]

_BYTES = 28  # an AdamW step reads a parameter, its gradient and two moments, and writes three


def ceilings(board: Board, scale: Scale) -> dict[str, float]:
    """Measure what cuBLAS and the memory do at most: flop/s by precision, bytes/s as "copy"."""
    import torch

    side, found = scale.product, {}
    a = torch.randn(side, side, device=torch_peers.device())
    for name, tf32 in (("float32", False), ("tf32", True)):
        torch_peers.set_precision(tf32)
        found[name] = 2 * side**3 / _seconds(lambda: a @ a)
        board.figure(f"cuBLAS, {side}³, {name}", found[name] / 1e12, "TFLOP/s")
    source = torch.zeros(4 * side * side, device=torch_peers.device())
    target = torch.empty_like(source)
    found["copy"] = 2 * source.nbytes / _seconds(lambda: target.copy_(source))
    board.figure("a copy, read and written", found["copy"] / 1e9, "GB/s")
    return found


def networks(board: Board, scale: Scale) -> None:
    """Time each network in each precision."""
    board.made("PyTorch's graphs", torch_peers.need_graphs)
    at_most = board.made("ceilings", lambda: ceilings(board, scale)) or {}
    for widths, batch in scale.singles:
        steps = _steps(widths, batch, scale)
        for precision in ("float32", "tf32"):
            torch_peers.set_precision(precision == "tf32")
            title = f"{'-'.join(map(str, widths))} at {batch}, {precision}"
            makers = _makers(widths, batch, precision, steps)
            seconds = board.race(title, makers, steps, scale.turns)
            best = {name: min(own) for name, own in seconds.items() if name != "ours"}
            if "ours" in seconds and best:
                name = min(best, key=lambda name: best[name])
                goal = 1.0 if widths[1] < 2048 else 0.97
                ratios = [a / b for a, b in zip(seconds[name], seconds["ours"], strict=True)]
                board.judged(
                    f"{title}: over PyTorch's {name}", sorted(ratios)[len(ratios) // 2], goal
                )
            if at_most:
                _fractions(board, title, seconds, _floor(widths, batch, at_most, precision))


def _steps(widths: tuple[int, ...], batch: int, scale: Scale) -> int:
    """Return the steps of a call: as long as those of 64 sub-models, or eight."""
    return scale.steps_of(n_operations(products_of(batch, list(pairwise(widths)))) / 3e9)


def _makers(
    widths: tuple[int, ...], batch: int, precision: str, steps: int
) -> dict[str, Callable[[], Any]]:
    def ours() -> Any:
        x, y = samples(widths, 4 * batch)
        many = Many([dense(widths)], x, y, batch, steps, precision=precision)
        return many.run

    return {
        "ours": ours,
        **{
            how: lambda how=how: torch_peers.one(widths, batch, how, steps)
            for how in torch_peers.HOW
        },
    }


def _floor(
    widths: tuple[int, ...], batch: int, at_most: dict[str, float], precision: str
) -> tuple[float, float]:
    """Return the seconds of a step's products, and of AdamW's bytes, at the ceilings."""
    sizes = list(pairwise(widths))
    n_parameters = sum((n_in + 1) * n_out for n_in, n_out in sizes)
    products = n_operations(products_of(batch, sizes)) / at_most[precision]
    return products, _BYTES * n_parameters / at_most["copy"]


def _fractions(
    board: Board, title: str, seconds: dict[str, list[float]], floor: tuple[float, float]
) -> None:
    for name, own in seconds.items():
        note = (
            f"products {floor[0] * 1e6:.1f} µs, optimizer {floor[1] * 1e6:.1f} µs at the ceilings"
        )
        median = sorted(own)[len(own) // 2]
        board.figure(f"{title}: {name}, of the ceilings", sum(floor) / median, "", note)


def _seconds(work: Callable[[], Any], calls: int = 5) -> float:
    """Return the seconds of one call, warm."""
    for _ in range(2):
        work()
    torch_peers.synchronize()
    began = time.perf_counter()
    for _ in range(calls):
        work()
    torch_peers.synchronize()
    return (time.perf_counter() - began) / calls
