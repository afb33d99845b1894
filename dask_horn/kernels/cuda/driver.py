"""The one place that imports Numba's CUDA target, and asks the driver for anything.

`numba-cuda` takes the place of the target that Numba brings; both are imported as `numba.cuda`.
With ``NUMBA_ENABLE_CUDASIM=1`` a simulator does: it runs kernels as Python, on machines without a
GPU, launch by launch.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import threading
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
from numba import cuda as cuda  # kernels take it from here
from numpy.typing import NDArray

from dask_horn.kernels.compile import cache_folder
from dask_horn.kernels.device import DeviceState

#: Whether kernels are simulated.
SIMULATED = bool(numba.config.ENABLE_CUDASIM)

# Of a GPU's free memory: what is left alone, for the driver, the library and fragments;
# and what keeps blocks of samples that come again in later windows and rounds.
_SPARED, _RESIDENT = 0.1, 0.25

#: What brings the packages that a GPU needs.
INSTALL = 'pip install "dask-horn[cuda13]" (or cuda12, where the driver is older)'

#: The simulator runs one kernel at a time; a GPU's memory is given out to one caller at a time.
lock = threading.RLock()


@functools.cache
def state() -> DeviceState:
    """Find out what this process' GPU is, and whether it runs a kernel."""
    if SIMULATED:
        return DeviceState("cuda", "simulated by numba", 2**30)
    missing = _missing()
    if missing:
        return DeviceState("cuda", "none", None, missing)
    free, _ = cuda.current_context().get_memory_info()
    name = cuda.get_current_device().name
    model = name.decode() if isinstance(name, bytes) else str(name)
    driver = ".".join(map(str, cuda.cudadrv.driver.driver.get_version()))
    versions = f"driver for CUDA {driver}, numba-cuda {importlib.metadata.version('numba-cuda')}"
    return DeviceState("cuda", f"{model} ({versions})", int(free * (1 - _SPARED - _RESIDENT)))


def resident_bytes() -> int:
    """Return the bytes of blocks that may stay on the device, besides what programs take."""
    return int((state().memory or 0) * _RESIDENT / (1 - _SPARED - _RESIDENT))


def _missing() -> str:
    """Tell what keeps kernels from running here; empty where nothing does."""
    for package in ("numba-cuda", "cuda-core", "nvmath-python"):
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return f"{package} is not installed; {INSTALL}"
    if not cuda.is_available():
        return f"no GPU was found ({_first_line(cuda.cuda_error() or 'no driver')})"
    try:
        _probe()
    except Exception as error:  # whatever it is: the driver's, the compiler's, the linker's
        return (
            f"a first kernel did not run ({_first_line(error)}); a driver that is older than the "
            f"CUDA packages needs those of its own version: {INSTALL}"
        )
    return ""


def _probe() -> None:
    def touch(found: Any) -> None:
        found[0] = 1

    found = cuda.to_device(np.zeros(1, np.int32))
    launch(cuda.jit("void(int32[::1])")(touch), 1, 1, 0, [found])
    if found.copy_to_host()[0] != 1:
        raise RuntimeError("a kernel left nothing behind")


def _first_line(what: object) -> str:
    return str(what).strip().splitlines()[0] if str(what).strip() else type(what).__name__


def compiled(function: Callable[..., None], signature: Any) -> Any:
    """Compile a kernel for this process' GPU, or load it from the cache."""
    if SIMULATED:
        return cuda.jit(function)
    packages = ("numba-cuda", "cuda-core")
    versions = " ".join(importlib.metadata.version(package) for package in packages)
    from numba.cuda.core import config  # type: ignore[import-not-found,unused-ignore]

    folder = cache_folder("cuda", versions)
    with _changed(config, CACHE_DIR=str(folder or "")):
        # Without link-time optimization: what PTX shows is what runs.
        native = cuda.jit(signature, cache=folder is not None, lto=False)(function)
    # Now, and not by a first launch, which may be one that is only recorded.
    next(iter(native.overloads.values())).bind()
    return native


def launch(
    native: Any, n_blocks: int, n_threads: int, stream: Any, arguments: Sequence[Any]
) -> None:
    """Launch a compiled kernel on a stream, or record it where that is being recorded."""
    if SIMULATED:
        native[n_blocks, n_threads](*arguments)
        return
    from numba.cuda.core import config

    # An output layer is a small grid, and none to be warned of.
    with _changed(config, CUDA_LOW_OCCUPANCY_WARNINGS=0):
        native[n_blocks, n_threads, stream](*arguments)


@contextlib.contextmanager
def _changed(module: Any, **settings: Any) -> Iterator[None]:
    """Change settings of a module of Numba's for a while: it has no other way in."""
    before = {name: getattr(module, name) for name in settings}
    vars(module).update(settings)
    try:
        yield
    finally:
        vars(module).update(before)


def to_ptx(function: Callable[..., None], signature: Any, capability: tuple[int, int]) -> str:
    """Compile a kernel to PTX for GPUs of a compute capability; no GPU is needed."""
    from numba.cuda import dispatcher

    # What the kernel calls is compiled for the current device: for want of one, for this.
    stand_in = SimpleNamespace(compute_capability=capability)
    with _changed(dispatcher, get_current_device=lambda: stand_in):
        ptx, _ = cuda.compile(function, signature, cc=capability, device=False, abi="numba")
    return str(ptx)


def new_stream() -> Any:
    """Return a stream of one's own; 0 in the simulator, which has no use for it."""
    if SIMULATED:
        return 0
    from cuda.core import Device

    device = Device()
    device.set_current()
    return device.create_stream()


@functools.cache
def copy_stream() -> Any:
    """Return the stream of all copies of samples: one, so that they come after one another."""
    return new_stream()


def handle_of(stream: Any) -> int:
    """Return the address by which libraries know a stream."""
    return int(stream.handle)


def upload(array: NDArray[Any], stream: Any) -> Any:
    """Copy an array to the device; the call may return before that is done."""
    found = cuda.device_array(array.shape, array.dtype)
    found.copy_to_device(array, stream=stream)
    return found


def enter() -> None:
    """Have this thread use the GPU: memory can only be given back by one that does."""
    if not SIMULATED and not state().missing:
        cuda.current_context()


def empty(shape: int | tuple[int, ...], dtype: Any) -> Any:
    """Return device memory."""
    return cuda.device_array(shape, dtype)


def clear(array: Any, stream: Any) -> None:
    """Fill device memory with zeros."""
    if SIMULATED:
        array.copy_to_device(np.zeros(array.shape, array.dtype))
    else:
        cuda.cudadrv.driver.device_memset(array, 0, array.nbytes, stream=stream)


def pinned(size: int, dtype: Any) -> NDArray[Any]:
    """Return host memory that is copied from without the processor's help."""
    return cuda.pinned_array(size, dtype)


def wait(stream: Any) -> None:
    """Wait for all that was begun on a stream."""
    if not SIMULATED:
        stream.sync()


def follow(stream: Any, other: Any) -> None:
    """Have a stream wait for what was begun on another one."""
    if not SIMULATED:
        stream.wait(other.record())


def recorded(stream: Any, work: Callable[[Any], None]) -> Callable[[], None]:
    """Return a function that does on the stream what ``work(stream)`` does, as a CUDA graph.

    Captured once, it is launched as a whole. Kernels must be loaded, and arrays on the device,
    which the graph does not keep alive.
    """
    builder = stream.create_graph_builder()
    builder.begin_building()
    try:
        work(stream)
        graph = builder.end_building().complete()
    finally:
        builder.close()
    return lambda: graph.launch(stream)


def address_of(array: Any) -> int:
    """Return where an array on the device begins."""
    return int(array.__cuda_array_interface__["data"][0])
