"""What takes turns: each trains a few steps of the same network on the same kind of samples.

Every contestant is made for a `Case` and called with nothing; a call takes `STEPS` optimizer
steps. Samples lie in memory as float32 and are gathered in a random order by all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

import dask_horn as horn
from dask_horn.kernels.opcodes import OP
from dask_horn.program import Execution, Optimizer, Program, training_program

STEPS = 4
N_SAMPLES = 4096
RATE = 1e-4

Call = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """A network and how it is trained.

    Attributes
    ----------
    widths : tuple of int
        Inputs, hidden layers (relu), outputs.
    batch : int
        Samples in a step.
    optimizer : {"sgd", "adamw"}
        sgd with momentum 0.9.
    dropout : float
        After each hidden layer.
    """

    widths: tuple[int, ...]
    batch: int
    optimizer: str
    dropout: float

    @property
    def operations(self) -> int:
        """Multiplications and additions of one step's products."""
        first, *others = [a * b for a, b in pairwise(self.widths)]
        return 2 * self.batch * (2 * first + 3 * sum(others))

    def samples(self) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        """Draw samples, their classes, and the order in which they are taken."""
        random = np.random.default_rng(0)
        x = random.standard_normal((N_SAMPLES, self.widths[0]), dtype=np.float32)
        return x, random.integers(0, self.widths[-1], N_SAMPLES), random.permutation(N_SAMPLES)


def ours(case: Case) -> Call:
    """Make our program, as a training task runs it."""
    return _runner(case, _program(case, None))


def our_products(case: Case) -> Call:
    """Make our program with nothing in it but the matrix products."""
    program = _program(case, 1.0)  # where the norm is bounded, gradients are products alone
    products = [program.kernels[row[OP]].startswith("gemm") for row in program.rows]
    return _runner(case, dataclasses.replace(program, rows=program.rows[products].copy()))


def _program(case: Case, clip_norm: float | None) -> Program:
    layers: list[Any] = []
    for width in case.widths[1:-1]:
        layers.append(horn.Dense(width, activation="relu"))
        layers.extend([horn.Dropout(case.dropout)] if case.dropout else [])
    network = horn.Network([*layers, horn.Dense(case.widths[-1])], case.widths[0])
    return training_program(
        network,
        network.parameters,
        {},
        batch_size=case.batch,
        sample_dtype="float32",
        optimizer=Optimizer(case.optimizer, clip_norm=clip_norm),
    )


def _runner(case: Case, program: Program) -> Call:
    x, y, order = case.samples()
    y = y.astype(np.float32)[:, None]
    n_in = case.widths[0]
    start = np.random.default_rng(1).standard_normal(program.n_parameters, dtype=np.float32)
    execution = Execution(program, 0.03 * start, np.zeros(n_in), np.ones(n_in))
    starts, rates = np.arange(STEPS + 1) * case.batch, np.full(STEPS, RATE)
    entries = np.resize(order, STEPS * case.batch)
    return lambda: execution.train([x], [y], entries, starts, rates)


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def _products(
    x: Any, weight: Any, gradient: Any, out: Any, weight_gradient: Any, input_gradient: Any, n: int
) -> None:
    for _ in range(n):
        for i in range(len(x)):
            np.dot(x[i], weight[i], out[i])
        for i in range(len(x) - 1, -1, -1):
            np.dot(x[i].T, gradient[i], weight_gradient[i])
            if i > 0:
                np.dot(gradient[i], weight[i].T, input_gradient[i])


def blas_products(case: Case) -> Call:
    """Make the floor: the products of a step by the BLAS that numba calls, and nothing else."""
    random = np.random.default_rng(0)

    def matrices(*shapes: tuple[int, int]) -> Any:
        return numba.typed.List([random.standard_normal(s, dtype=np.float32) for s in shapes])

    layers = list(pairwise(case.widths))
    inputs = [(case.batch, n_in) for n_in, _ in layers]
    outputs = [(case.batch, n_out) for _, n_out in layers]
    buffers = [matrices(*shapes) for shapes in (inputs, layers, outputs, outputs, layers, inputs)]
    return lambda: _products(*buffers, STEPS)


def torch_eager(case: Case) -> Call:
    """Make PyTorch as its users write it."""
    return _torch(case, fused=False, compiled=False)


def torch_fused(case: Case) -> Call:
    """Make PyTorch with its fused optimizer."""
    return _torch(case, fused=True, compiled=False)


def torch_compiled(case: Case) -> Call:
    """Make PyTorch with `torch.compile` around model and loss, and its fused optimizer."""
    return _torch(case, fused=True, compiled=True)


def _torch(case: Case, *, fused: bool, compiled: bool) -> Call:
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    layers: list[torch.nn.Module] = []
    for n_in, n_out in pairwise(case.widths[:-1]):
        layers.extend([torch.nn.Linear(n_in, n_out), torch.nn.ReLU()])
        layers.extend([torch.nn.Dropout(case.dropout)] if case.dropout else [])
    model = torch.nn.Sequential(*layers, torch.nn.Linear(*case.widths[-2:]))
    optimizer: torch.optim.Optimizer
    if case.optimizer == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), RATE, momentum=0.9, fused=fused)
    else:
        optimizer = torch.optim.AdamW(model.parameters(), RATE, fused=fused)
    x, y, order = map(torch.from_numpy, case.samples())
    batches = torch.from_numpy(np.resize(order.numpy(), (STEPS, case.batch)))

    def loss_of(inputs: Any, classes: Any) -> Any:
        return torch.nn.functional.cross_entropy(model(inputs), classes)

    loss_function = torch.compile(loss_of) if compiled else loss_of

    def call() -> None:
        for rows in batches:
            optimizer.zero_grad(set_to_none=True)
            loss_function(x[rows], y[rows]).backward()
            optimizer.step()

    return call


def scikit_learn(case: Case) -> Call:
    """Make `MLPClassifier.partial_fit`, a call for each batch; it knows no dropout, nor decay."""
    from sklearn.neural_network import MLPClassifier

    solver = {"sgd": "sgd", "adamw": "adam"}[case.optimizer]
    model = MLPClassifier(
        case.widths[1:-1], solver=solver, learning_rate_init=RATE, batch_size=case.batch, alpha=0.0
    )
    x, y, order = case.samples()
    batches = np.resize(order, (STEPS, case.batch))
    classes = np.arange(case.widths[-1])

    def call() -> None:
        for rows in batches:
            model.partial_fit(x[rows], y[rows], classes=classes)

    return call
