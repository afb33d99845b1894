"""The one place that decides how kernels are compiled and where the machine code is kept.

Every kernel is compiled by itself, when it is first looked up, with exactly one signature, and
cached in a file of its own: so a network pays only for the kernels that it uses, and processes
that start together can only ever write the same thing (numba's cache mixes up code where several
signatures of one function are written at once). They also share the work: a lock for each kernel
lets one process compile it while the others compile other ones.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import pickle
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, cast

import numba
import numpy as np
from filelock import FileLock, Timeout
from numba import types
from numba.core.registry import cpu_target
from numba.extending import register_jitable
from numpy.typing import NDArray

from dask_horn import rounding
from dask_horn.kernels.folders import code_folder, lock_folder
from dask_horn.kernels.program import Operation

# Python's division check keeps loops from vectorizing; numpy's rules (inf, nan) do not.
OPTIONS = {"error_model": "numpy"}

#: What every kernel takes: its op row, the step's counters, the scalars, and the arena.
KERNEL_SIGNATURE = types.void(
    types.CPointer(types.int64),
    types.CPointer(types.int64),
    types.CPointer(types.float64),
    types.CPointer(types.float32),
)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_compiling = threading.RLock()
_kernels: dict[str, Kernel] = {}

#: Compiles a function, or loads it from numba's cache where it may use that.
Compiler = Callable[[Any, bool], Any]

#: Elements that an operation of a batch of so many samples needs of something.
Size = Callable[[Operation, int], int]


@functools.cache
def target() -> tuple[str, str, str]:
    """Return triple, name and features of the processor that kernels are compiled for.

    This one, unless ``NUMBA_CPU_NAME`` and ``NUMBA_CPU_FEATURES`` name another.
    """
    triple, name, features = cpu_target.target_context.codegen().magic_tuple()
    return triple, name, features


@functools.cache
def cache_folder(device: str = "cpu", versions: str = "") -> Path | None:
    """Folder of a device's machine code, named by all that the code depends on.

    That is the kernels' sources, the processor, and the versions of numba and of the packages
    in `versions`.

    It lies in ``NUMBA_CACHE_DIR`` where that is set (on a cluster whose home folders are shared,
    set it to a local disk), else in ``XDG_CACHE_HOME``, else in ``~/.cache``; where that cannot be
    written, in a temporary folder that all processes of the user share and the last one removes.
    None where no folder can be written at all.
    """
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for source in [
        Path(rounding.__file__),
        *sorted(here.glob("*.py")),
        *sorted(here.glob(f"{device}/**/*.py")),
    ]:
        digest.update(source.read_bytes())
    digest.update(f"{numba.__version__} {versions}".encode())
    digest.update(repr(target()).encode())
    return code_folder(f"kernels-{digest.hexdigest()[:16]}")


@functools.cache
def _lock_folder() -> Path | None:
    folder = cache_folder()
    return folder and lock_folder(folder)


@contextlib.contextmanager
def _locked(name: str, seconds: float) -> Iterator[None]:
    """Keep other processes from compiling a kernel; raise Timeout where one is doing so.

    Without locks, some may do the same work.
    """
    folder = _lock_folder()
    with contextlib.ExitStack() as stack:
        if folder is not None:
            try:
                stack.enter_context(FileLock(folder / f"{name}.lock").acquire(timeout=seconds))
            except Timeout:
                raise
            except (OSError, NotImplementedError):  # a full disk, a file system without locks
                pass
        yield


@contextlib.contextmanager
def _numba_set(folder: Path | None) -> Iterator[None]:
    """Let numba cache in our folder, and compile also where ``NUMBA_DISABLE_JIT`` says not to.

    That is for functions that a debugger looks into; kernels do with addresses what Python cannot.
    """
    before = numba.config.CACHE_DIR, numba.config.DISABLE_JIT
    numba.config.CACHE_DIR, numba.config.DISABLE_JIT = str(folder or ""), 0
    try:
        yield
    finally:
        numba.config.CACHE_DIR, numba.config.DISABLE_JIT = before


class Compiled(Generic[Parameters, Result]):
    """A function that is compiled, or loaded from the cache, when it is first called."""

    def __init__(self, function: Callable[Parameters, Result], compiler: Compiler) -> None:
        self.function = function
        self._compiler = compiler
        self._native: Any = None
        functools.update_wrapper(self, function)

    def native(self) -> Any:
        """Return the compiled object, a numba dispatcher or cfunc."""
        self.make_ready()
        return self._native

    def make_ready(self, *, wait: bool = True) -> None:
        """Compile or load it; without `wait`, not where another process is just doing so."""
        if self._native is not None:
            return
        name = self.function.__name__
        with contextlib.suppress(Timeout), _compiling, _locked(name, -1 if wait else 0):
            if self._native is None:  # else another thread was faster
                self._native = self._made(cache_folder())

    def _made(self, folder: Path | None) -> Any:
        """Load it from a folder, or compile it: also where the folder is of no use."""
        with _numba_set(folder):
            if folder is not None:
                try:
                    return self._compiler(self.function, True)
                except (EOFError, pickle.UnpicklingError):  # a file that was cut short
                    for spoilt in folder.rglob(f"*.{self.function.__qualname__}-*"):
                        spoilt.unlink(missing_ok=True)
                except OSError:  # a full disk
                    pass
            return self._compiler(self.function, False)

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        """Call the machine code."""
        return cast(Result, self.native()(*args, **kwargs))


def compiled(
    signature: Any,
) -> Callable[[Callable[Parameters, Result]], Compiled[Parameters, Result]]:
    """Compile a function that Python calls: one signature, without the GIL, lazily."""

    def decorate(function: Callable[Parameters, Result]) -> Compiled[Parameters, Result]:
        def compiler(function: Any, cache: bool) -> Any:
            return numba.njit([signature], nogil=True, cache=cache, **OPTIONS)(function)

        return Compiled(function, compiler)

    return decorate


def inlined(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Mark a part of kernels, such as a scalar body that both devices share.

    It stays a plain function.

    Being no dispatcher, it may be closed over by a kernel: dispatchers pickle differently in
    every process, and the kernel's cache would never be hit. It is always inlined: a loop that
    calls is a loop that does not vectorize.
    """
    jitable = register_jitable(forceinline=True, **OPTIONS)
    return cast("Callable[Parameters, Result]", jitable(function))


def _nothing(operation: Operation, batch_size: int) -> int:
    return 0


@dataclass(frozen=True, eq=False)
class Kernel:
    """A kernel, and what a program that uses it must make room for.

    Attributes
    ----------
    code : Compiled
    work_size : callable
        Elements of work space, at most.
    result_size : callable
        Elements of a result whose layout only kernels know.
    """

    code: Compiled[[], Any]
    work_size: Size
    result_size: Size


def kernel(
    name: str, *, work: Size = _nothing, result: Size = _nothing, reorder_sums: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as the kernel of the op called `name`; it compiles on first use.

    Parameters
    ----------
    name : str
    work, result : callable
        Of an operation and the most samples in a batch: see `Kernel`.
    reorder_sums : bool, default False
        Whether the compiler may add in another order, always the same on one kind of processor:
        sums then vectorize. NaN and infinity keep their meaning.
    """
    fastmath = {"reassoc", "nsz"} if reorder_sums else False

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        # numba names cache files and symbols by qualname: kernels made by one factory must differ.
        function.__name__ = function.__qualname__ = name

        def compiler(function: Any, cache: bool) -> Any:
            compile = numba.cfunc(KERNEL_SIGNATURE, cache=cache, fastmath=fastmath, **OPTIONS)
            return compile(function)

        _kernels[name] = Kernel(Compiled(function, compiler), work, result)
        return function

    return decorate


def registered(name: str) -> Kernel:
    """Return the kernel of this name."""
    return _kernels[name]


def is_registered(name: str) -> bool:
    """Tell whether there is a kernel of this name."""
    return name in _kernels


def ready(names: Sequence[str], functions: Iterable[Compiled[..., Any]] = ()) -> None:
    """Compile or load the kernels `names`, and what else is given.

    Processes that do so at the same time share the work: what another one is compiling is passed
    over at first, and loaded from the cache in the end.
    """
    wanted = [*(_kernels[name].code for name in names), *functions]
    for wait in (False, True):
        for function in wanted:
            function.make_ready(wait=wait)


def address_table(names: Sequence[str]) -> NDArray[np.int64]:
    """Return the entry points of the kernels `names`, in this order, compiled or loaded now."""
    ready(names)
    return np.array([_kernels[name].code.native().address for name in names], dtype=np.int64)
