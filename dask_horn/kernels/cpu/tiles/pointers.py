"""Small intrinsics: call a kernel by its address, and step from pointers to arrays."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from dask_horn.kernels.compile import KERNEL_SIGNATURE


@intrinsic
def call(
    typingctx: Any, address: Any, row: Any, counters: Any, scalars: Any, arena: Any
) -> tuple[Any, Any]:
    """Call the kernel at `address`: a plain C call, so that each kernel compiles alone."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function_type = ir.FunctionType(ir.VoidType(), [arg.type for arg in args[1:]])
        function = builder.inttoptr(args[0], function_type.as_pointer())
        builder.call(function, args[1:])
        return context.get_dummy_value()

    return types.void(types.int64, *KERNEL_SIGNATURE.args), codegen


@intrinsic
def at(typingctx: Any, pointer: Any, offset: Any) -> tuple[Any, Any]:
    """Return the pointer `offset` elements behind `pointer`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return pointer(pointer, types.int64), codegen


@intrinsic
def as_float64(typingctx: Any, pointer: Any) -> tuple[Any, Any]:
    """Take a pointer for one to float64; the arena's work space may be used so."""
    result = types.CPointer(types.float64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(result))

    return result(pointer), codegen


@intrinsic
def pointer_to(typingctx: Any, address: Any, dtype: Any) -> tuple[Any, Any]:
    """Take an integer address as a pointer to elements of `dtype`."""
    result = types.CPointer(dtype.dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(result))

    return result(types.int64, dtype), codegen
