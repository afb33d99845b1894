"""What DropConnect costs: the products of a layer, both ways, with a mask for each example."""

from __future__ import annotations

from typing import Any

import dask_horn as horn
from benchmarks.gpu import torch_peers
from benchmarks.gpu.board import Board, Call, over
from benchmarks.gpu.checks import samples
from benchmarks.gpu.scale import Scale
from benchmarks.operations import Many, Operation

__all__ = ["dropconnect"]

_TORCH, _PLAIN = "PyTorch, the mask a tensor", "our plain layer"


def dropconnect(board: Board, scale: Scale) -> None:
    """Time ours, our plain layer, and PyTorch with the masked weights as a tensor."""
    board.made("PyTorch's graphs", torch_peers.need_graphs)
    torch_peers.set_precision(tf32=False)
    units, batch = scale.units, scale.batch
    makers = {
        "ours": lambda: _layer(scale, 0.5),
        _PLAIN: lambda: _layer(scale, 0.0),
        _TORCH: lambda: _torch_layer(scale),
    }
    seconds = board.race(
        f"DropConnect {units}×{units} at {batch}", makers, scale.steps, scale.turns
    )
    faster = over(seconds, _TORCH)
    slower = over(seconds, "ours", _PLAIN)
    if faster is not None:
        board.judged("over PyTorch", faster, 10)
    if slower is not None:
        board.judged("times the plain layer", slower, 3, at_most=True)


def _layer(scale: Scale, rate: float) -> Call:
    """Make a call of the layer's own operations; the gradient is a product, and updates nothing."""
    layer = horn.Dense(scale.units, activation="relu", dropconnect=rate)
    n_inputs, n_classes = scale.small[0], scale.small[-1]
    network = horn.Network(
        [horn.Dense(scale.units, activation="tanh"), layer, horn.Dense(n_classes)], n_inputs
    )

    def is_own(operation: Operation) -> bool:
        sizes = {operation.n_in, operation.n_out}
        return operation.kernel.startswith(("gemm", "dropconnect")) and sizes == {scale.units}

    x, y = samples((n_inputs, n_classes), scale.batch)
    many = Many([network], x, y, scale.batch, scale.steps, clip_norm=1.0)
    return many.only(is_own)


def _torch_layer(scale: Scale) -> Call:
    """Make a call that draws a mask for each example, and goes forward and back, in a graph."""
    import torch

    where, units, batch = torch_peers.device(), scale.units, scale.batch
    x = torch.randn(batch, 1, units, device=where, requires_grad=True)
    weight = torch.randn(units, units, device=where, requires_grad=True)
    bias = torch.randn(units, device=where, requires_grad=True)
    gradient = torch.randn(batch, 1, units, device=where)

    def work() -> Any:
        kept = torch.empty(batch, units, units, device=where).bernoulli_(0.5)
        kept_bias = torch.empty(batch, 1, units, device=where).bernoulli_(0.5)
        out = torch.bmm(x, kept * weight) + kept_bias * bias
        return torch.autograd.grad(out, (x, weight, bias), gradient)

    return torch_peers.waited(torch_peers.graphed(work), scale.steps)
