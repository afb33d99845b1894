"""What a library is asked for; who answers here is NumPy, which counts by columns as it does."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from dask_horn.kernels import opcodes as op
from dask_horn.kernels.cuda import library, machine
from dask_horn.kernels.cuda.library import Product
from dask_horn.kernels.device import MissingKernelError, Steps, Window
from dask_horn.network import Dense, Network
from dask_horn.program import Optimizer, prediction_program, training_program
from tests.program.problems import problem

BATCH, N_IN, N_OUT = 5, 3, 4
OPERANDS = {
    "forward": ((BATCH, N_IN), (N_IN, N_OUT), lambda a, b: a @ b),
    "input": ((BATCH, N_OUT), (N_IN, N_OUT), lambda a, b: a @ b.T),
    "weight": ((BATCH, N_IN), (BATCH, N_OUT), lambda a, b: a.T @ b),
}


class NumpyLibrary:
    """Does products as cuBLAS is told to: matrices lie column by column."""

    def __init__(self, precision="float32"):
        self.n_products = 0

    def multiply(self, arena, product, stream):
        memory = arena.copy_to_host()
        do_product(memory, product)
        arena.copy_to_device(memory)
        self.n_products += 1


def do_product(memory, product):
    n_rows, n_columns, n_terms = product.shape

    def factor(start, length, transposed, rows, columns):
        stored = (columns, rows) if transposed else (rows, columns)
        assert length == stored[0], "whole columns follow each other"
        matrix = memory[start : start + stored[0] * stored[1]].reshape(stored, order="F")
        return matrix.T if transposed else matrix

    left = factor(product.left, product.left_length, product.left_transposed, n_rows, n_terms)
    right = factor(
        product.right, product.right_length, product.right_transposed, n_terms, n_columns
    )
    out = (left @ right).ravel(order="F")
    memory[product.out : product.out + out.size] = out


@pytest.mark.parametrize("kind", OPERANDS)
def test_a_product_by_columns_is_ours(kind):
    rng = np.random.default_rng(0)
    a_shape, b_shape, multiply = OPERANDS[kind]
    a, b = rng.normal(size=a_shape).astype("f4"), rng.normal(size=b_shape).astype("f4")
    memory = np.concatenate([a.ravel(), b.ravel(), np.zeros(100, np.float32)])
    row = np.zeros(op.N_COLUMNS, np.int64)
    row[[op.N_IN, op.N_OUT, op.ROWS]] = N_IN, N_OUT, 1
    row[[op.A, op.B, op.C]] = 0, a.size, a.size + b.size
    do_product(memory, Product.of(kind, row, BATCH))
    expected = multiply(a, b)
    found = memory[a.size + b.size :][: expected.size].reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_which_products_are_the_librarys_follows_from_their_shape():
    wide = library.Operation("gemm_forward", 800, 800)
    assert library.is_large(wide, 128)
    assert not library.is_large(wide, 64)
    assert not library.is_large(library.Operation("gemm_forward", 784, 100), 128)


@pytest.mark.gpu
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_training_by_a_library_is_one_by_our_products(device, monkeypatch, simulator, optimizer):
    case = problem(Network([Dense(5, activation="gelu"), Dense(3)], 4), 10)

    def trained():
        program = training_program(
            case.network,
            case.table,
            {},
            device=device,
            batch_size=4,
            sample_dtype="float32",
            optimizer=Optimizer(optimizer),
        )
        own = device.machine([program, program], case)
        own.load([case.parameters, 2 * case.parameters])
        steps = Steps(np.arange(10), np.array([0, 4, 8, 10]), np.full(3, 0.1))
        losses = own.run(own.stage([Window([case.x], [case.encoded])]), [steps, steps]).losses()
        return own, np.concatenate([*losses, *own.parameters()])

    expected = trained()[1]
    monkeypatch.setattr(
        library, "_LARGE", 61
    )  # the first layer's products are, the second one's not
    monkeypatch.setattr(machine, "Cublas", NumpyLibrary)
    own, found = trained()
    assert own._library.n_products == 2 * 2 * 3  # forward and weight, two sub-models, three steps
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-5)


@pytest.mark.gpu
def test_a_library_that_is_missing_is_an_error(device, monkeypatch, simulator):
    monkeypatch.setattr(library, "_LARGE", 1)
    for cached in (library._opened, library.missing_library):
        cached.cache_clear()
    monkeypatch.setitem(sys.modules, "nvmath.bindings", None)
    case = problem(Network([Dense(3)], 4), 2)
    program = prediction_program(
        case.network, None, device=device, batch_size=2, sample_dtype="float32"
    )
    with pytest.raises(MissingKernelError, match=r"cuBLAS cannot be loaded .* pip install"):
        device.machine([program], case)
