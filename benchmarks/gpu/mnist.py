"""Whole trainings on MNIST: one network to 98 %, and an ensemble, in seconds on the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import dask_horn as horn
from benchmarks import datasets
from benchmarks.gpu import torch_peers
from benchmarks.gpu.board import Board
from benchmarks.gpu.checks import dense
from benchmarks.gpu.scale import TINY, Scale

__all__ = ["trainings"]

_GOAL = 0.98
_MEMBER = (784, 100, 100, 10)
_LARGE = (784, 800, 800, 10)
_BATCH = 128

Curve = list[tuple[float, float]]


class _Clock(horn.Callback):
    """Notes when each round is done, and the score that it had."""

    def __init__(self) -> None:
        self.curve: Curve = []
        self._began = time.perf_counter()

    def on_round_end(self, record: horn.RoundRecord) -> None:
        """Note a round; scoring it is on the clock."""
        score = record.validation_score
        self.curve.append((time.perf_counter() - self._began, np.nan if score is None else score))


def trainings(board: Board, scale: Scale, folder: Path | None) -> None:
    """Train each, on the GPU, by PyTorch, and on the CPU."""
    board.made("PyTorch's graphs", torch_peers.need_graphs)
    torch_peers.set_precision(tf32=False)
    sets = _sets(scale, folder)
    tiny = scale is TINY
    widths = (sets[0].shape[1], 4, 10) if tiny else _LARGE
    _compared(board, f"MNIST, {'-'.join(map(str, widths))}", widths, sets, scale, None)
    widths = (sets[0].shape[1], 3, 10) if tiny else _MEMBER
    title = f"MNIST, {scale.members} members of {'-'.join(map(str, widths))}"
    _compared(board, title, widths, sets, scale, scale.members)


def _compared(
    board: Board,
    title: str,
    widths: tuple[int, ...],
    sets: tuple[Any, ...],
    scale: Scale,
    members: int | None,
) -> None:
    batch = min(_BATCH, scale.batch)
    makers: dict[str, Callable[[], Curve]] = {
        "PyTorch, a graph": lambda: torch_peers.trained(widths, members, sets, batch, scale.epochs),
        "ours": lambda: _ours("cuda", widths, sets, scale, members),
        "ours on the CPU": lambda: _ours("cpu", widths, sets, scale, members),
    }
    for name, make in makers.items():
        curve = board.made(f"{title}: {name}", make, ours=name == "ours")
        if curve:
            _told(board, f"{title}: {name}", curve)


def _told(board: Board, what: str, curve: Curve) -> None:
    seconds, score = curve[-1]
    board.figure(f"{what}, all of it", seconds, "s", f"accuracy {score:.4f}")
    first = next((at for at, score in curve if score >= _GOAL), None)
    if first is None:
        board.missing(f"{what}, to 98 %", f"not reached in {len(curve)} rounds")
    else:
        board.figure(f"{what}, to 98 %", first, "s")


def _ours(
    device: str, widths: tuple[int, ...], sets: tuple[Any, ...], scale: Scale, members: int | None
) -> Curve:
    """Train by the public call, from arrays in memory; kernels are loaded before the clock runs."""
    x, y, test, wanted = sets
    network, division = dense(widths), {"n_groups": 1, "n_submodels": 1}
    if members is not None:
        division["n_groups"] = members
    settings: dict[str, Any] = {
        **division,
        "merge": "average" if members is None else "ensemble",
        "group_data": "subset" if members is None else "all",
        "batch_size": min(_BATCH, scale.batch),
        "device": device,
    }
    horn.train(network, x, y, n_rounds=1, steps_per_round=1, **settings)
    clock = _Clock()
    result = horn.train(
        network,
        x,
        y,
        n_rounds=scale.epochs,
        steps_per_round=1 if scale is TINY else None,  # or one pass
        validation_data=None if members or scale is TINY else (test, wanted),
        callbacks=[clock],
        **settings,
    )
    seconds = clock.curve[-1][0]
    accuracy = float(np.mean(result.model.predict(test) == wanted))
    return [*clock.curve[:-1], (seconds, accuracy)]


def _sets(scale: Scale, folder: Path | None) -> tuple[Any, ...]:
    """Return samples and classes to train on, and to test with."""
    if scale is TINY:
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        x, y = x.astype(np.uint8)[:, 26:30], y.astype(np.int64)
        return x[: scale.rows], y[: scale.rows], x[-scale.rows :], y[-scale.rows :]
    if folder is None:
        raise FileNotFoundError("MNIST is needed: --data FOLDER, or set DASK_HORN_DATA")
    (x, y), (test, wanted) = (datasets.mnist(folder, part) for part in ("train", "t10k"))
    return (
        x[: scale.rows].copy(),
        y[: scale.rows].astype(np.int64),
        test.copy(),
        wanted.astype(np.int64),
    )
