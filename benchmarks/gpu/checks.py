"""Before anything is timed: is it right, and is it the same each time?"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dask_horn as horn
from benchmarks.gpu.board import Board
from benchmarks.gpu.scale import Scale
from benchmarks.operations import RATE, Many, Ran, Step, device_missing

__all__ = ["dense", "errors", "irregular", "repeatable", "right", "samples", "setting"]

TOLERANCE = 1e-5
_PACKAGES = (
    "dask-horn", "numpy", "numba", "numba-cuda", "cuda-core", "cuda-bindings", "nvmath-python",
    "nvidia-cublas", "nvidia-cublas-cu12", "torch", "jax", "cupy-cuda12x", "cupy-cuda13x",
)  # fmt: skip
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8

Matrix = NDArray[Any]


def dense(widths: tuple[int, ...]) -> horn.Network:
    """Return relu layers of these widths."""
    hidden = [horn.Dense(width, activation="relu") for width in widths[1:-1]]
    return horn.Network([*hidden, horn.Dense(widths[-1])], widths[0])


def irregular(widths: tuple[int, ...], spread: int, n: int) -> list[tuple[int, ...]]:
    """Draw the widths of n networks, as irregular as the parts of a division."""
    random = np.random.default_rng(0)
    hidden = len(widths) - 2
    drawn = random.integers(-spread, spread + 1, (n, hidden)) + np.array(widths[1:-1])
    return [(widths[0], *map(int, own), widths[-1]) for own in drawn]


def samples(widths: tuple[int, ...], n: int) -> tuple[Matrix, Matrix]:
    """Make random samples (n, features) and numbers of classes (n, 1)."""
    random = np.random.default_rng(0)
    x = random.standard_normal((n, widths[0]), dtype=np.float32)
    return x, random.integers(0, widths[-1], (n, 1))


def setting(board: Board) -> None:
    """Say what this machine is."""
    names = {name: _version(name) for name in _PACKAGES}
    found = ", ".join(f"{name} {version}" for name, version in names.items() if version)
    board.figure("machine", 1, note=f"{platform.platform()}, Python {platform.python_version()}")
    board.figure("packages", len(names), note=found)
    if shutil.which("nvidia-smi"):
        query = "--query-gpu=name,driver_version,memory.total"
        command = ["nvidia-smi", query, "--format=csv,noheader"]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        board.figure("GPU", 1, note=said.stdout.strip())
    else:
        board.missing("GPU", "there is no nvidia-smi")
    missing = device_missing("cuda")
    if missing:
        board.missing("our device", missing)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def right(board: Board, scale: Scale) -> None:
    """Hold each operation to float64, on what a whole step has left: products of both kinds."""
    for widths, batch in {(scale.small, scale.batch), scale.singles[0]}:
        x, y = samples(widths, 2 * batch)
        step = board.made(
            f"operations of {widths}",
            lambda w=widths, x=x, y=y, b=batch: Step(dense(w), x, y, b, where="cuda"),
        )
        if step is None:
            continue
        step.run()
        worst: dict[str, float] = {}
        for i, operation in enumerate(step.operations):
            found = step.alone(i)
            for error in errors(found, batch, x):
                worst[operation.kernel] = max(error, worst.get(operation.kernel, 0.0))
            if operation.kernel == "gemm_forward":
                error = _fused_error(found, step.alone(i + 1, behind=1), batch)
                worst["both as one"] = max(error, worst.get("both as one", 0.0))
        for name, error in worst.items():
            what = f"{'-'.join(map(str, widths))}: {name}, relative error"
            board.judged(what, error, TOLERANCE, "", at_most=True)


def errors(ran: Ran, batch: int, x: Matrix) -> Iterator[float]:
    """Return ‖found − float64‖ / ‖float64‖ of each array that an operation has written."""
    name, n_in, n_out = ran.operation
    before = ran.before.astype(np.float64)

    def given(letter: str, *shape: int) -> Matrix:
        start = ran.at[letter]
        return before[start : start + int(np.prod(shape))].reshape(shape)

    def judged(letter: str, wanted: Matrix, further: int = 0) -> float:
        start = ran.at[letter] + further
        found = ran.after[start : start + wanted.size].reshape(wanted.shape)
        size = float(np.linalg.norm(wanted))
        return float(np.linalg.norm(found - wanted)) / (size if size > 0 else 1.0)

    if name.startswith("gather_float"):
        yield judged("A", x[:batch].astype(np.float64))
    elif name == "gemm_forward":
        yield judged("C", given("A", batch, n_in) @ given("B", n_in, n_out))
    elif name == "gemm_input":
        yield judged("C", given("A", batch, n_out) @ given("B", n_in, n_out).T)
    elif name == "gemm_weight":
        yield judged("C", given("A", batch, n_in).T @ given("B", batch, n_out))
    elif name in ("relu_forward", "linear_forward"):
        z = ran.constant * given("A", batch, n_out) + given("B", n_out)
        yield judged("C", np.maximum(z, 0) if name == "relu_forward" else z)
    elif name in ("relu_backward", "linear_backward"):
        slope = given("B", batch, n_out) > 0 if name == "relu_backward" else 1.0
        gradient = given("A", batch, n_out) * slope
        yield judged("A", ran.constant * gradient)
        yield judged("C", gradient.sum(0))
    elif name == "cross_entropy":
        z, y = given("A", batch, n_out), given("B", batch).astype(int)
        scores = np.exp(z - z.max(1, keepdims=True))
        wanted = scores / scores.sum(1, keepdims=True)
        wanted[np.arange(batch), y] -= 1
        yield judged("C", wanted / batch)
    elif name == "adamw" or name == "gemm_weight_adamw":
        fused = name != "adamw"
        shape = (n_in, n_out) if fused or n_in else (n_out,)
        letter = "C" if fused else "A"
        g = given("A", batch, n_in).T @ given("B", batch, n_out) if fused else given("B", *shape)
        yield from _adamw(ran, letter, given(letter, *shape), g, before)


def _fused_error(product: Ran, activation: Ran, batch: int) -> float:
    """Judge a product and the activation behind it, done in one launch; operands as of each."""
    _, n_in, n_out = product.operation
    arena = product.before.astype(np.float64)
    a, b, bias = product.at["A"], product.at["B"], activation.at["B"]
    z = arena[a : a + batch * n_in].reshape(batch, n_in) @ arena[b : b + n_in * n_out].reshape(
        n_in, n_out
    )
    wanted = activation.constant * z + arena[bias : bias + n_out]
    if activation.operation.kernel == "relu_forward":
        wanted = np.maximum(wanted, 0)
    out = activation.at["C"]
    found = activation.after[out : out + wanted.size].reshape(wanted.shape)
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def _adamw(ran: Ran, letter: str, w: Matrix, g: Matrix, before: Matrix) -> Iterator[float]:
    """Judge a parameter, and both of its moments, which lie at "states" and wherever that says."""
    places = (ran.at["states"], ran.at["more states"])
    m, v = (before[start : start + g.size].reshape(g.shape) for start in places)
    m, v = _BETA_1 * m + (1 - _BETA_1) * g, _BETA_2 * v + (1 - _BETA_2) * g * g
    size = np.sqrt(v / (1 - _BETA_2)) + _EPSILON
    w = w - RATE * m / (1 - _BETA_1) / size
    for start, wanted in ((ran.at[letter], w), (places[0], m), (places[1], v)):
        found = ran.after[start : start + g.size].reshape(g.shape)
        yield float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def repeatable(board: Board, scale: Scale) -> None:
    """Train twice, and alone: the same bits?"""
    widths = irregular(scale.small, scale.spread, min(n for n in scale.counts if n > 1))
    x, y = samples(scale.small, 4 * scale.batch)
    networks = [dense(own) for own in widths]
    many = board.made("the same bits", lambda: Many(networks, x, y, scale.batch, scale.steps))
    if many is None:
        return
    found = []
    for _ in range(2):
        many.restart()
        many.run()
        found.append(many.parameters())
    same = all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
    board.judged(f"{len(networks)} irregular sub-models, the same bits twice", same, 1, "")
    last = len(networks) - 1
    same = np.array_equal(many.alone(last)[0], found[0][last])
    board.judged("the last of them alone, the same bits", same, 1, "")
