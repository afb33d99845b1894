"""A GPU as a device: what it needs of programs, and the machine that runs many of them at once."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels import cuda
from dask_horn.kernels import opcodes as op
from dask_horn.kernels.cuda import columns, driver
from dask_horn.kernels.cuda.compile import KERNELS
from dask_horn.kernels.cuda.feed import Feed, ResidentBlocks
from dask_horn.kernels.cuda.library import Cublas, Product, missing_library
from dask_horn.kernels.cuda.lowering import WORK_SIZES, Launch, Programs, fused, lowered, offered
from dask_horn.kernels.device import (
    PRECISIONS,
    BlockName,
    Device,
    DeviceState,
    Machine,
    Scaling,
    Steps,
    Window,
)
from dask_horn.kernels.program import Operation, Program

assert cuda  # imported to register the kernels

_ALIGNMENT = 64  # float32 elements: two lines of the second cache

# Steps that are recorded together: what is left over is recorded by single steps.
_RECORDED_STEPS = 1 if driver.SIMULATED else 8


class CudaDevice:
    """What CUDA's kernels need and offer; see `Device`."""

    name = "cuda"
    alignment = _ALIGNMENT
    row_multiple = 1
    slack = 0
    precisions = PRECISIONS

    def state(self) -> DeviceState:
        """Ask the driver, and for the library, once in a process."""
        found = driver.state()
        if driver.SIMULATED or found.missing:
            return found
        return replace(found, missing=missing_library())

    def offers(self, kernel: str) -> bool:
        """Tell whether there is a way to do it."""
        return offered(kernel)

    def work_size(self, operation: Operation, batch_size: int) -> int:
        """Only some operations need any."""
        size = WORK_SIZES.get(operation.kernel)
        return 0 if size is None else size(operation, batch_size)

    def result_size(self, operation: Operation, batch_size: int) -> int:
        """Nothing is kept in a layout of the device's own: masks are drawn where they are used."""
        return 0

    def fuses(self, operation: Operation, other: str) -> bool:
        """Whatever the shape: where a library does the product, we do the rest after it."""
        return fused(operation.kernel, other)

    def warm_up(self, kernels: Sequence[str]) -> None:
        """Compile or load all that may be launched for them."""
        for kernel in KERNELS.values():
            if set(kernel.serves) <= set(kernels):
                kernel.native()

    def forget(self, run: str) -> None:
        """Free the memory in this thread, unless another one is using the device.

        What stays then goes when the next run's first blocks come.
        """
        if driver.lock.acquire(blocking=False):
            try:
                driver.enter()
                _resident_blocks().forget(run)
            finally:
                driver.lock.release()

    def machine(
        self, programs: Sequence[Program], scaling: Scaling, precision: str = "float32"
    ) -> Machine:
        """Return a machine that runs the programs all at once."""
        return CudaMachine(programs, scaling, precision)


DEVICE: Device = CudaDevice()


@functools.cache
def _resident_blocks() -> ResidentBlocks:
    """Return this process' blocks on the device."""
    return ResidentBlocks(driver.resident_bytes())


# Feeds of machines that are gone, and their streams: the memory serves the next machines.
_idle_feeds: list[tuple[Feed, Any]] = []


def _take_feeds(machine: object, stream: Any) -> list[Feed]:
    """Return two feeds for a machine, until it is gone."""
    while len(_idle_feeds) < 2:
        _idle_feeds.append((Feed(), stream))
    feeds = []
    for feed, before in (_idle_feeds.pop(), _idle_feeds.pop()):
        driver.wait(before)  # an interrupted run may be using it still
        feeds.append(feed)
    given_back = [(feed, stream) for feed in feeds]
    weakref.finalize(machine, _idle_feeds.extend, given_back).atexit = False
    return feeds


@dataclass(eq=False)
class _Run:
    """Steps that are being taken with what is in a feed."""

    feed: Feed
    first_steps: NDArray[np.int64]
    found: list[NDArray[np.float64]] | None = None


@dataclass(frozen=True, eq=False)
class _Pending:
    """A run of a machine, which does not know who waits for it; see `Pending`."""

    machine: CudaMachine
    run: _Run

    def losses(self) -> list[NDArray[np.float64]]:
        """Wait for the device; when asked again, return the same."""
        return self.machine.finish(self.run)


class CudaMachine:
    """Runs programs of one structure on this process' GPU, all at once; see `Machine`.

    Parameters
    ----------
    programs : sequence of Program
    scaling : Scaling
    precision : str
        Of the library's products.

    Attributes
    ----------
    memory : dict of str to device array
        What kernels take, by its name, but for what is in the feeds.
    """

    def __init__(self, programs: Sequence[Program], scaling: Scaling, precision: str) -> None:
        with driver.lock:
            self._each = programs
            self._programs = Programs.of(programs)
            self._stream = driver.new_stream()
            work = [self._programs.launch("advance", 0), *lowered(self._programs)]
            self._work = [_Ready.of(one, self._stream) for one in work]
            has_products = any(isinstance(one, Product) for one in work)
            self._library = Cublas(precision) if has_products else None
            self._feeds = _take_feeds(self, self._stream)
            self._last: _Run | None = None
            # By feed and number of steps; with the version of the feed.
            self._recorded: dict[tuple[Feed, int], tuple[int, Callable[[], None]]] = {}
            self.memory: dict[str, Any] = {}
            self._upload(rows=self._programs.rows, **_scaling_arrays(scaling))
            driver.wait(self._stream)

    def _upload(self, **arrays: NDArray[Any]) -> None:
        """Copy arrays to where they were, or to new memory."""
        for name, array in arrays.items():
            if name in self.memory:
                self.memory[name].copy_to_device(array, stream=self._stream)
            else:
                self.memory[name] = driver.upload(np.ascontiguousarray(array), self._stream)

    def load(
        self, parameters: Sequence[NDArray[np.float32]], keys: Sequence[int] | None = None
    ) -> None:
        """Set the arenas up, and all that goes on from step to step."""
        with driver.lock:
            self._settle()
            self._load_arenas(parameters)
            n, first = len(self._each), self._each[0]
            counters = np.zeros((n, columns.N_COUNTERS), np.int64)
            counters[:, op.KEY] = np.asarray(0 if keys is None else keys, np.uint64).view(np.int64)
            counters[:, columns.CAPACITY] = first.batch_size
            scalars = np.zeros((n, op.N_SCALARS + first.constants.size))
            scalars[:, op.CLIP] = 1.0
            scalars[:, op.N_SCALARS :] = [program.constants for program in self._each]
            n_operations = self._programs.n_operations
            self._upload(
                counters=counters,
                scalars=scalars,
                constants=scalars.astype(np.float32),
                numbers=np.zeros((n, n_operations, columns.N_NUMBERS), np.float32),
                row_losses=np.zeros((n, self._programs.loss_rows), np.float32),
            )
            driver.wait(self._stream)  # what was copied is gone then

    def _load_arenas(self, parameters: Sequence[NDArray[np.float32]]) -> None:
        if "arena" not in self.memory:
            self.memory["arena"] = driver.empty(int(self._programs.bases[-1]), np.float32)
        arena = self.memory["arena"]
        driver.clear(arena, self._stream)
        bases = self._programs.bases[:-1]
        for base, program, own in zip(bases, self._each, parameters, strict=True):
            for offset, values in ((0, own), *program.filled):
                first = int(base) + offset
                values = np.ascontiguousarray(values, np.float32)
                arena[first : first + values.size].copy_to_device(values, stream=self._stream)

    def holds(self, block: BlockName) -> bool:
        """Tell whether it is among the blocks that stay on the device."""
        return _resident_blocks().holds(block)

    def stage(self, windows: Sequence[Window]) -> Feed:
        """Copy windows to the device, on a stream of their own: others may be trained on."""
        with driver.lock:
            feed = self._feeds[0]
            self._feeds.reverse()
            self._settle_on(feed)
            feed.put_windows(windows, _resident_blocks(), driver.copy_stream())
            return feed

    def run(self, staged: Feed, steps: Sequence[Steps]) -> _Pending:
        """Begin to take the sub-models' steps; nothing waits for anything before they are done."""
        with driver.lock:
            self._settle_on(staged)
            first_steps = staged.put_steps(steps, driver.copy_stream())
            self._settle()
            self._last = _Run(staged, first_steps)
            longest = max(own.rates.size for own in steps)
            if longest:
                self._take(staged, longest)
            return _Pending(self, self._last)

    def _take(self, feed: Feed, n_steps: int) -> None:
        """Launch so many steps: the last launch is the one that ends the last step."""
        driver.follow(self._stream, driver.copy_stream())
        many, single = divmod(n_steps, _RECORDED_STEPS)
        for n_together, n_times in ((_RECORDED_STEPS, many), (1, single)):
            if n_times:
                replay = self._replay(feed, n_together)
                for _ in range(n_times):
                    replay()
        self._launch(self._work[0], feed, self._stream)

    def _replay(self, feed: Feed, n_steps: int) -> Callable[[], None]:
        """Return what takes so many steps, recorded unless it is."""
        launch = functools.partial(self._launch_steps, feed, n_steps)
        if driver.SIMULATED:  # which records nothing
            return functools.partial(launch, self._stream)
        version, replay = self._recorded.get((feed, n_steps), (-1, None))
        if replay is None or version != feed.version:
            if not self._recorded:
                self._rehearse(feed)
            replay = driver.recorded(self._stream, launch)
            self._recorded[feed, n_steps] = feed.version, replay
        return replay

    def _rehearse(self, feed: Feed) -> None:
        """Launch all but the beginning of a step, so that all is loaded before it is recorded.

        No sub-model has a step to take yet: kernels return, and the library's products leave
        numbers where each step writes its own before it reads any.
        """
        for ready in self._work[1:]:
            self._launch(ready, feed, self._stream)

    def _launch_steps(self, feed: Feed, n_steps: int, stream: Any) -> None:
        for _ in range(n_steps):
            for ready in self._work:
                self._launch(ready, feed, stream)

    def _launch(self, ready: _Ready, feed: Feed, stream: Any) -> None:
        """Launch a kernel, or have the library do a product."""
        work = ready.work
        if isinstance(work, Product):
            assert self._library is not None
            self._library.multiply(self.memory["arena"], work, stream)
            return
        known = {"tiles": ready.tiles, **self.memory, **feed.arrays}
        arguments = [known[name] for name in work.kernel.parameters]
        native = work.kernel.native()
        driver.launch(native, len(work.tiles), work.kernel.n_threads, stream, arguments)

    def finish(self, run: _Run) -> list[NDArray[np.float64]]:
        """Wait for a run; return the losses of the steps that were taken."""
        with driver.lock:
            if run.found is None:
                driver.wait(self._stream)
                counters = self.memory["counters"].copy_to_host()
                losses = run.feed.arrays["losses"].copy_to_host()
                taken = counters[:, columns.TAKEN].copy()
                counters[:, [op.BATCH, columns.TAKEN, columns.STOPPED]] = 0
                self._upload(counters=counters)
                driver.wait(self._stream)
                firsts = zip(run.first_steps[:-1], taken, strict=True)
                run.found = [losses[first : first + n].copy() for first, n in firsts]
            return run.found

    def outputs(self, staged: Feed, steps: Sequence[Steps]) -> list[NDArray[np.float32]]:
        """Run the steps, and fetch what they have stored."""
        with driver.lock:
            width = self._each[0].n_outputs
            per_batch = self._each[0].outputs_per_batch
            counts = [own.rates.size if per_batch else own.order.size for own in steps]
            self._settle_on(staged)
            place = staged.place("outputs", sum(counts) * width, np.float32)
            self.run(staged, steps).losses()
            whole = place.copy_to_host()
            ends = np.cumsum(counts) * width
            parts = np.split(whole[: ends[-1]], ends[:-1])
            return [part.reshape(-1, width) for part in parts]

    def parameters(self) -> list[NDArray[np.float32]]:
        """Fetch them."""
        with driver.lock:
            self._settle()
            arena = self.memory["arena"]
            return [
                arena[int(base) : int(base) + program.n_parameters].copy_to_host()
                for base, program in zip(self._programs.bases[:-1], self._each, strict=True)
            ]

    def _settle(self) -> None:
        """Wait for the steps that were begun last."""
        if self._last is not None:
            self.finish(self._last)

    def _settle_on(self, feed: Feed) -> None:
        """Wait for them if they read what is in this feed."""
        if self._last is not None and self._last.feed is feed:
            self._settle()


@dataclass(frozen=True, eq=False)
class _Ready:
    """Work with its table of tiles on the device, and its kernel compiled."""

    work: Launch | Product
    tiles: Any = None

    @classmethod
    def of(cls, work: Launch | Product, stream: Any) -> _Ready:
        """Bring the table there."""
        if isinstance(work, Product):
            return cls(work)
        work.kernel.native()
        return cls(work, driver.upload(work.tiles, stream))


def _scaling_arrays(scaling: Scaling) -> dict[str, NDArray[Any]]:
    """Return what the gather reads: in float64, and as float32 with the mean in two parts."""
    mean = np.asarray(scaling.mean, np.float64)
    inverse = 1.0 / np.asarray(scaling.scale, np.float64)
    high = mean.astype(np.float32)
    return {
        "mean": mean,
        "inverse": inverse,
        "mean_high": high,
        "mean_low": (mean - high).astype(np.float32),
        "inverse_scale": inverse.astype(np.float32),
    }
