"""Vector instructions, written in LLVM: what the register tiles are made of."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from dask_horn.kernels.compile import target

#: float32 numbers in a vector register.
LANES = 16 if "+avx512f" in target()[2] else 8 if "+avx" in target()[2] else 4

FLOAT, INT, LONG = ir.FloatType(), ir.IntType(32), ir.IntType(64)
VECTOR = ir.VectorType(FLOAT, LANES)
#: numba's name for a pointer to float32.
POINTER = types.CPointer(types.float32)


def offset(builder: Any, pointer: Any, n: int) -> Any:
    """Return the pointer n elements behind `pointer`."""
    return builder.gep(pointer, [LONG(n)])


def load(builder: Any, pointer: Any, kind: Any = VECTOR) -> Any:
    """Read a vector that may lie anywhere."""
    vector = builder.load(builder.bitcast(pointer, kind.as_pointer()))
    vector.align = 4
    return vector


def store(builder: Any, vector: Any, pointer: Any) -> None:
    """Write a vector, wherever it is to lie."""
    builder.store(vector, builder.bitcast(pointer, vector.type.as_pointer())).align = 4


def spread(builder: Any, value: Any) -> Any:
    """Fill a vector with one value."""
    kind = ir.VectorType(value.type, LANES)
    undefined = kind(ir.Undefined)
    first = builder.insert_element(undefined, value, INT(0))
    return builder.shuffle_vector(first, undefined, ir.VectorType(INT, LANES)([0] * LANES))


def multiply_add(builder: Any, left: Any, right: Any, total: Any) -> Any:
    """Return left · right + total, rounded once."""
    fused = ir.FunctionType(VECTOR, [VECTOR] * 3)
    function = cgutils.get_or_insert_function(builder.module, fused, f"llvm.fmuladd.v{LANES}f32")
    return builder.call(function, [left, right, total])


def phi(builder: Any, *incoming: tuple[Any, Any]) -> Any:
    """Return the value of these that belongs to the block that was left for this one."""
    found = builder.phi(incoming[0][0].type)
    for value, block in incoming:
        found.add_incoming(value, block)
    return found
