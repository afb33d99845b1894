"""Questions of design that a GPU settles: python -m benchmarks.gpu.experiments [--tiny].

What is predicted of each, and what came out, is in docs/research/gpu.md. Each takes two minutes at
most and stands alone. ``--tiny`` runs small shapes, in the simulator where there is no GPU.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np

__all__ = ["EXPERIMENTS", "graphs", "nodes", "persistent_blocks", "products"]

_LIMIT = 150  # seconds of one experiment

#: Tiles of a product: lines, columns, depth, and what a thread has of it.
_TILES = (
    (64, 64, 32, 4, 4),  # as we have it
    (64, 64, 16, 4, 4),
    (128, 64, 16, 8, 4),
    (128, 128, 8, 8, 8),
    (32, 64, 32, 4, 4),
)


def graphs(board: Any, tiny: bool) -> None:
    """Capture and replay: the same bits, 1,000 times, and what a node costs."""
    from numba import config

    from benchmarks.gpu.checks import dense, samples
    from benchmarks.operations import Many

    shapes = (((6, 5, 3), 4),) if tiny else (((784, 100, 100, 10), 128), ((784, 800, 800, 10), 128))
    n_steps = 2 if tiny else 8000
    for widths, batch in shapes:
        x, y = samples(widths, 4 * batch)
        many = Many([dense(widths)], x, y, batch, n_steps)
        found = []
        for _ in range(2):
            many.restart()
            began = time.perf_counter()
            losses = many.run()[0]
            seconds = time.perf_counter() - began
            found.append((losses, many.parameters()[0]))
        name = "-".join(map(str, widths))
        same = all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
        board.judged(f"{name}, {n_steps} steps recorded by eight, the same bits twice", same, 1, "")
        nodes = len(many.launches())
        note = (
            f"{nodes} nodes, of which {sum(blocks == 0 for _, blocks in many.launches())} cuBLAS's"
        )
        board.figure(f"{name}: a step", seconds / n_steps * 1e6, "µs", note)
        board.figure(f"{name}: a node, work included", seconds / n_steps / nodes * 1e6, "µs")
    if config.ENABLE_CUDASIM:
        board.missing("what an empty node costs", "the simulator records nothing")
    else:
        _empty_nodes(board)


def _empty_nodes(board: Any) -> None:
    """Time launches that do next to nothing: one by one, and as nodes of a graph."""
    from cuda.core import Device
    from numba import cuda

    @cuda.jit("void(float32[::1])")
    def touch(x: Any) -> None:
        i = cuda.grid(1)
        if i < x.size:
            x[i] += np.float32(1)

    device = Device()
    device.set_current()
    stream, x = device.create_stream(), cuda.to_device(np.zeros(1024, np.float32))
    for nodes in (20, 160):
        builder = stream.create_graph_builder()
        builder.begin_building()
        for _ in range(nodes):
            touch[4, 256, builder](x)
        graph = builder.end_building().complete()
        calls = {
            "one by one": lambda nodes=nodes: [touch[4, 256, stream](x) for _ in range(nodes)],
            "as a graph": lambda graph=graph: graph.launch(stream),
        }
        for name, call in calls.items():
            seconds = _seconds(call, stream.sync, 200) / nodes
            board.figure(f"an empty node, {nodes} of them {name}", seconds * 1e6, "µs")


def _seconds(call: Callable[[], object], wait: Callable[[], object], calls: int) -> float:
    for _ in range(min(calls, 3)):
        call()
    wait()
    began = time.perf_counter()
    for _ in range(calls):
        call()
    wait()
    return (time.perf_counter() - began) / calls


def products(board: Any, tiny: bool) -> None:
    """Our grouped products, tile by tile, against batched cuBLAS in float32."""
    cases = (
        ((2, 4, 6, 8),) if tiny else ((64, 128, 784, 100), (8, 128, 784, 100), (64, 128, 100, 100))
    )
    for n, batch, n_in, n_out in cases:
        theirs = board.made("batched cuBLAS", lambda c=(n, batch, n_in, n_out): _batched(*c)) or {}
        for kind, seconds in theirs.items():
            _speed(
                board,
                f"{n} × ({batch}×{n_in}×{n_out}) {kind}: cuBLAS",
                n * batch * n_in * n_out,
                seconds,
            )
        for tile in ((8, 8, 4, 4, 2),) if tiny else _TILES:
            for kind, seconds in _grouped(n, batch, n_in, n_out, tile, 1 if tiny else 256).items():
                what = f"{n} × ({batch}×{n_in}×{n_out}) {kind}: ours, {tile}"
                _speed(board, what, n * batch * n_in * n_out, seconds)
                if kind in theirs:
                    board.judged(f"{what}, of cuBLAS", theirs[kind] / seconds, 0.6, "")


def _speed(board: Any, what: str, n_products: int, seconds: float) -> None:
    board.figure(what, 2 * n_products / seconds / 1e12, "TFLOP/s", f"{seconds * 1e6:.1f} µs")


def _grouped(
    n: int, batch: int, n_in: int, n_out: int, tile: tuple[int, int, int, int, int], steps: int
) -> dict[str, float]:
    """Return the seconds of each product of our own, with that of what ends a step beside it."""
    from benchmarks.gpu.checks import dense, samples
    from benchmarks.operations import Many, set_product_tile

    set_product_tile(tile)
    widths = (n_in, n_in, n_out)
    x, y = samples(widths, 2 * batch)
    many = Many([dense(widths)] * n, x, y, batch, steps, clip_norm=1.0)
    found = {}
    for kind in ("forward", "weight", "input"):
        call = many.only(
            lambda one, kind=kind: (
                one.kernel == f"gemm_{kind}" and (one.n_in, one.n_out) == (n_in, n_out)
            )
        )
        found[kind] = _seconds(call, lambda: None, 1 if steps < 8 else 3) / steps
    return found


def _batched(n: int, batch: int, n_in: int, n_out: int) -> dict[str, float]:
    """Return the seconds of each product by PyTorch, whose batched products are cuBLAS's."""
    import torch

    from benchmarks.gpu import torch_peers

    torch_peers.set_precision(tf32=False)
    where = torch_peers.device()
    a, w = torch.randn(n, batch, n_in, device=where), torch.randn(n, n_in, n_out, device=where)
    g = torch.randn(n, batch, n_out, device=where)
    calls: Mapping[str, Callable[[], Any]] = {
        "forward": lambda: torch.bmm(a, w),
        "weight": lambda: torch.bmm(a.transpose(1, 2), g),
        "input": lambda: torch.bmm(g, w.transpose(1, 2)),
    }
    found = {}
    for kind, call in calls.items():
        work = torch_peers.graphed(lambda call=call: [call() for _ in range(64)])
        found[kind] = _seconds(work, torch_peers.synchronize, 10) / 64
    return found


def persistent_blocks(board: Any, tiny: bool) -> None:
    """One block for each sub-model, against a launch for each operation of all of them."""
    from benchmarks.gpu.checks import dense, samples
    from benchmarks.gpu.persistent import Blocks, reference
    from benchmarks.operations import Many

    widths, batch, counts = (
        ((6, 5, 3), 4, (2,)) if tiny else ((784, 100, 100, 10), 128, (8, 64, 256))
    )
    n_steps, n_calls = (1, 1) if tiny else (64, 3)
    x, y = samples(widths, 4 * batch)
    random = np.random.default_rng(1)
    layers = [
        (
            (random.standard_normal((a, b)) * (2 / a) ** 0.5).astype(np.float32),
            np.zeros(b, np.float32),
        )
        for a, b in pairwise(widths)
    ]
    for n in counts:
        blocks = Blocks(layers, n, x, y[:, 0], batch)
        blocks.run(2)
        wanted = reference(layers, x, y[:, 0], batch, 2)
        error = max(
            float(np.linalg.norm(a - b) / np.linalg.norm(b))
            for found, true in zip(blocks.layers(n - 1), wanted, strict=True)
            for a, b in zip(found, true, strict=True)
        )
        board.judged(f"{n} persistent blocks: relative error", error, 1e-4, "", at_most=True)
        persistent = _seconds(lambda b=blocks: b.run(n_steps), lambda: None, n_calls) / n_steps
        board.figure(f"{n} persistent blocks", persistent * 1e6, "µs/step")
        many = Many([dense(widths)] * n, x, y, batch, n_steps, optimizer="sgd")
        launched = _seconds(many.run, lambda: None, n_calls) / n_steps
        board.figure(f"{n} by launches", launched * 1e6, "µs/step")
        board.judged(f"{n}: persistent blocks over launches", launched / persistent, 1.3)


def nodes(board: Any, tiny: bool) -> None:
    """What each launch of a step takes, by PyTorch's profiler, which sees ours as well."""
    if tiny:
        board.missing("each launch of a step", "the simulator has no clock of its own")
        return
    import torch
    from torch.profiler import ProfilerActivity, profile

    from benchmarks.gpu.checks import dense, samples
    from benchmarks.operations import Many

    torch.zeros(1, device="cuda")
    widths, batch = (784, 100, 100, 10), 128
    x, y = samples(widths, 4 * batch)
    for n in (1, 64):
        many = Many([dense(widths)] * n, x, y, batch, 16)
        many.run()
        with profile(activities=[ProfilerActivity.CUDA]) as seen:
            many.run()
        on_gpu = (one for one in seen.events() if one.device_type.name == "CUDA")
        kernels = [one for one in on_gpu if "Mem" not in one.name]
        kernels.sort(key=lambda one: one.time_range.start)
        launches = many.launches()
        # Behind the last step's launches comes the one that ends it.
        step = kernels[-1 - len(launches) : -1]
        for (name, blocks), one in zip(launches, step, strict=True):
            what = f"{n} sub-models: {name}"
            board.figure(what, one.time_range.elapsed_us(), "µs", f"{blocks} blocks")


EXPERIMENTS: Mapping[str, Callable[[Any, bool], None]] = {
    "graphs": graphs,
    "products": products,
    "persistent_blocks": persistent_blocks,
    "nodes": nodes,
}


@click.command()
@click.option("--tiny", is_flag=True, help="Small shapes, without a GPU too.")
@click.option("--only", multiple=True, type=click.Choice(list(EXPERIMENTS)), help="Some of them.")
@click.option(
    "--json", "to", type=click.Path(dir_okay=False, path_type=Path), help="Keep the rows."
)
@click.option("--here", hidden=True, type=click.Choice(list(EXPERIMENTS)))
def main(tiny: bool, only: tuple[str, ...], to: Path | None, here: str | None) -> None:
    """Settle questions of design by measuring, each in a process of its own."""
    from benchmarks.gpu.board import Board

    if here is not None:
        board = Board(here, to)
        board.made("the rest of the experiment", lambda: EXPERIMENTS[here](board, tiny))
        return
    from benchmarks.gpu.sections import has_gpu

    variables = {**os.environ, "PYTHONUNBUFFERED": "1"}
    if tiny and not has_gpu():
        variables["NUMBA_ENABLE_CUDASIM"] = "1"
    for name in only or EXPERIMENTS:
        click.secho(f"\n{name}", bold=True)
        command = [sys.executable, "-m", "benchmarks.gpu.experiments", "--here", name]
        command += (["--tiny"] if tiny else []) + (["--json", str(to)] if to else [])
        try:
            subprocess.run(command, env=variables, timeout=600 if tiny else _LIMIT, check=False)
        except subprocess.TimeoutExpired:
            click.echo(f"cut off after {_LIMIT} s")


if __name__ == "__main__":
    main()
