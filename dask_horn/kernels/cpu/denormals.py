"""Numbers below 1e-38, which processors compute tens of times slower, taken for zero.

On samples that are learned by heart gradients and Adam's moments become that small: a step then
takes twice to five times as long, and the parameters come out the same.

References
----------
Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, section 10.2.3 (MXCSR).
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_X86 = platform.machine().lower() in ("x86_64", "amd64")  # others compute them at full speed
_FLUSH = 0x8040  # bits 15 and 6: results that are denormal become zero, operands count as zero


@intrinsic
def flush_denormals(typingctx: Any) -> tuple[Any, Any]:
    """Take denormals for zero in this thread; return the control word as it was."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if not _X86:
            return context.get_constant(types.int32, 0)
        before = _control_word(builder)
        _set_control_word(builder, builder.or_(before, before.type(_FLUSH)))
        return before

    return types.int32(), codegen


@intrinsic
def restore_denormals(typingctx: Any, before: Any) -> tuple[Any, Any]:
    """Set this thread's control word to what it was."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if _X86:
            _set_control_word(builder, args[0])
        return context.get_dummy_value()

    return types.void(types.int32), codegen


def _control_word(builder: Any) -> Any:
    slot = cgutils.alloca_once(builder, ir.IntType(32))
    _access(builder, "llvm.x86.sse.stmxcsr", slot)
    return builder.load(slot)


def _set_control_word(builder: Any, word: Any) -> None:
    slot = cgutils.alloca_once(builder, ir.IntType(32))
    builder.store(word, slot)
    _access(builder, "llvm.x86.sse.ldmxcsr", slot)


def _access(builder: Any, instruction: str, slot: Any) -> None:
    pointer = ir.IntType(8).as_pointer()
    function_type = ir.FunctionType(ir.VoidType(), [pointer])
    function = cgutils.get_or_insert_function(builder.module, function_type, instruction)
    builder.call(function, [builder.bitcast(slot, pointer)])
