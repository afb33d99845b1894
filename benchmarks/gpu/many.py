"""Many small sub-models at once, equal and irregular, beside PyTorch and JAX."""

from __future__ import annotations

from benchmarks.gpu import jax_peers, torch_peers
from benchmarks.gpu.board import Board, Call, over
from benchmarks.gpu.checks import dense, irregular, samples
from benchmarks.gpu.scale import Scale
from benchmarks.operations import Many

__all__ = ["equal", "unequal"]

_VMAP, _JAX = "PyTorch, vmap in a graph", "JAX, scan of vmap"
_ONE = "PyTorch, one, "


def ours(widths: list[tuple[int, ...]], scale: Scale) -> Call:
    """Make a call of a few steps of all sub-models; equal ones share their network."""
    networks = {own: dense(own) for own in widths}
    x, y = samples(widths[0], 32 * scale.batch)
    each = [networks[own] for own in widths]
    return Many(each, x, y, scale.batch, scale.steps_of(len(each) / 64)).run


def equal(board: Board, scale: Scale) -> None:
    """Time equal sub-models, and one after another."""
    board.made("PyTorch's graphs", torch_peers.need_graphs)
    torch_peers.set_precision(tf32=False)
    name = f"{'-'.join(map(str, scale.small))} at {scale.batch}"
    alone = board.race(
        name,
        {
            f"{_ONE}{how}": lambda how=how: torch_peers.one(
                scale.small, scale.batch, how, scale.steps
            )
            for how in torch_peers.HOW
        },
        scale.steps,
        scale.turns,
    )
    for n in _middle_first(scale.counts):
        seconds = _race(board, f"{n} × {name}", [scale.small] * n, scale)
        goals = n == 64
        for how in torch_peers.HOW:
            if f"{_ONE}{how}" in alone and "ours" in seconds:
                ratio = n * _median(alone[f"{_ONE}{how}"]) / _median(seconds["ours"])
                what = f"{n}: over {how}, one after another"
                _told(board, what, ratio, 10 if goals and how == "graph" else None)
        _told(board, f"{n}: over vmap in a graph", over(seconds, _VMAP), 2 if goals else None)
        _told(board, f"{n}: over JAX", over(seconds, _JAX), 1 if goals else None)


def unequal(board: Board, scale: Scale) -> None:
    """Time irregular sub-models: the peers' are all padded to the largest."""
    board.made("PyTorch's graphs", torch_peers.need_graphs)
    torch_peers.set_precision(tf32=False)
    for n in [n for n in _middle_first(scale.counts) if n > 1]:
        widths = irregular(scale.small, scale.spread, n)
        seconds = _race(board, f"{n} irregular", widths, scale)
        goal = 1.3 if n == 64 else None
        _told(board, f"{n} irregular: over JAX, padded", over(seconds, _JAX), goal)
        _told(board, f"{n} irregular: over vmap, padded", over(seconds, _VMAP), None)


def _race(
    board: Board, title: str, widths: list[tuple[int, ...]], scale: Scale
) -> dict[str, list[float]]:
    n, largest = len(widths), tuple(map(max, *widths)) if len(widths) > 1 else widths[0]
    batch, steps = scale.batch, scale.steps_of(n / 64)
    return board.race(
        title,
        {
            "ours": lambda: ours(widths, scale),
            _VMAP: lambda: torch_peers.stacked(largest, n, batch, steps),
            _JAX: lambda: jax_peers.stacked(largest, n, batch, steps),
        },
        steps,
        scale.turns,
    )


def _middle_first(counts: tuple[int, ...]) -> list[int]:
    """Put 64 first, which has the goals: time may run out."""
    return sorted(counts, key=lambda n: (n != 64, n))


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _told(board: Board, what: str, ratio: float | None, goal: float | None) -> None:
    if ratio is None:
        board.missing(what, "one of the two is missing")
    elif goal is None:
        board.figure(what, ratio, "×")
    else:
        board.judged(what, ratio, goal)
