"""A GPU as a device: what it needs of programs, and the machine that runs many of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels import cuda
from dask_horn.kernels import opcodes as op
from dask_horn.kernels.cuda import columns, driver
from dask_horn.kernels.cuda.compile import KERNELS
from dask_horn.kernels.cuda.feed import Feed, ResidentBlocks, step_arrays
from dask_horn.kernels.cuda.library import Cublas, Product
from dask_horn.kernels.cuda.lowering import WORK_SIZES, Launch, Programs, fused, lowered, offered
from dask_horn.kernels.device import (
    PRECISIONS,
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
        """Ask the driver, once in a process."""
        return driver.state()

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

    def machine(
        self, programs: Sequence[Program], scaling: Scaling, precision: str = "float32"
    ) -> Machine:
        """Return a machine that runs the programs all at once."""
        return CudaMachine(programs, scaling, precision)


DEVICE: Device = CudaDevice()

_resident: ResidentBlocks | None = None


def resident_blocks() -> ResidentBlocks:
    """Return this process' blocks on the device."""
    global _resident
    if _resident is None:
        _resident = ResidentBlocks(driver.resident_bytes())
    return _resident


@dataclass(eq=False)
class _Run:
    """Steps that are being taken with what is in a feed; see `Pending`."""

    machine: CudaMachine
    feed: Feed
    first_steps: NDArray[np.int64]
    found: list[NDArray[np.float64]] | None = None

    def losses(self) -> list[NDArray[np.float64]]:
        """Wait for the device; when asked again, return the same."""
        if self.found is None:
            self.found = self.machine.finish(self.feed, self.first_steps)
        return self.found


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
        self._each = programs
        self._programs = Programs.of(programs)
        self._stream, self._copies = driver.new_stream(), driver.new_stream()
        work = [self._programs.launch("advance", 0), *lowered(self._programs)]
        self._work = [_Ready.of(one, self._stream) for one in work]
        has_products = any(isinstance(one, Product) for one in work)
        self._library = Cublas(precision) if has_products else None
        self._feeds = [Feed(), Feed()]
        self._last: _Run | None = None
        # By feed and number of steps; with the version of the feed.
        self._recorded: dict[tuple[Feed, int], tuple[int, Callable[[], None]]] = {}
        self.memory: dict[str, Any] = {}
        self._upload(rows=self._programs.rows, **_scaling_arrays(scaling))

    def _upload(self, **arrays: NDArray[Any]) -> None:
        for name, array in arrays.items():
            self.memory[name] = driver.upload(np.ascontiguousarray(array), self._stream)

    def load(
        self, parameters: Sequence[NDArray[np.float32]], keys: Sequence[int] | None = None
    ) -> None:
        """Set the arenas up, and all that goes on from step to step."""
        with driver.lock:
            self._settle()
            n = len(self._each)
            arena = driver.zeros(int(self._programs.bases[-1]), np.float32, self._stream)
            for base, program, own in zip(
                self._programs.bases[:-1], self._each, parameters, strict=True
            ):
                for offset, values in ((0, own), *program.filled):
                    first = int(base) + offset
                    values = np.ascontiguousarray(values, np.float32)
                    arena[first : first + values.size].copy_to_device(values, stream=self._stream)
            self.memory["arena"] = arena
            counters = np.zeros((n, columns.N_COUNTERS), np.int64)
            counters[:, op.KEY] = np.asarray(0 if keys is None else keys, np.uint64).view(np.int64)
            counters[:, columns.CAPACITY] = self._programs.batch_size
            scalars = np.zeros((n, op.N_SCALARS + self._each[0].constants.size))
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
            self._recorded = {}  # what was recorded reads the arrays of before

    def stage(self, windows: Sequence[Window]) -> Feed:
        """Copy windows to the device, on a stream of their own: others may be trained on."""
        with driver.lock:
            feed = self._feeds[0]
            self._feeds.reverse()
            if self._last is not None and self._last.feed is feed:
                self._settle()
            feed.put_windows(windows, resident_blocks(), self._copies)
            return feed

    def run(self, staged: Feed, steps: Sequence[Steps]) -> _Run:
        """Begin to take the sub-models' steps; nothing waits for anything before they are done."""
        with driver.lock:
            self._settle()
            arrays = step_arrays(steps, staged.first_rows)
            for name, values in arrays.items():
                staged.put(name, values, self._stream)
            staged.put("losses", np.zeros(arrays["rates"].size), self._stream)
            self._last = _Run(self, staged, arrays["first_steps"])
            longest = max(own.rates.size for own in steps)
            if longest:
                self._take(staged, longest)
            return self._last

    def _take(self, feed: Feed, n_steps: int) -> None:
        """Launch so many steps: the last launch is the one that ends the last step."""
        driver.follow(self._stream, self._copies)
        many, single = divmod(n_steps, _RECORDED_STEPS)
        for n_together, n_times in ((_RECORDED_STEPS, many), (1, single)):
            if n_times:
                replay = self._replay(feed, n_together)
                for _ in range(n_times):
                    replay()
        self._launch(self._work[0], feed, self._stream)

    def _replay(self, feed: Feed, n_steps: int) -> Callable[[], None]:
        """Return what takes so many steps, recorded unless it is."""
        version, replay = self._recorded.get((feed, n_steps), (-1, None))
        if replay is None or version != feed.version:
            replay = driver.recorded(
                self._stream, lambda stream: self._launch_steps(feed, n_steps, stream)
            )
            self._recorded[feed, n_steps] = feed.version, replay
        return replay

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

    def finish(self, feed: Feed, first_steps: NDArray[np.int64]) -> list[NDArray[np.float64]]:
        """Wait for the steps that are begun; return the losses of those that were taken."""
        with driver.lock:
            driver.wait(self._stream)
            counters = self.memory["counters"].copy_to_host()
            losses = feed.arrays["losses"].copy_to_host()
            taken = counters[:, columns.TAKEN].copy()
            counters[:, [op.BATCH, columns.TAKEN, columns.STOPPED]] = 0
            self.memory["counters"].copy_to_device(counters, stream=self._stream)
            return [
                losses[first : first + n].copy()
                for first, n in zip(first_steps[:-1], taken, strict=True)
            ]

    def outputs(self, staged: Feed, steps: Sequence[Steps]) -> list[NDArray[np.float32]]:
        """Run the steps, and fetch what they have stored."""
        with driver.lock:
            width = self._each[0].n_outputs
            per_batch = self._each[0].outputs_per_batch
            counts = [own.rates.size if per_batch else own.order.size for own in steps]
            staged.put("outputs", np.zeros(sum(counts) * width, np.float32), self._stream)
            self.run(staged, steps).losses()
            whole = staged.arrays["outputs"].copy_to_host()
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
            self._last.losses()


@dataclass(frozen=True, eq=False)
class _Ready:
    """Work with its table of tiles on the device."""

    work: Launch | Product
    tiles: Any = None

    @classmethod
    def of(cls, work: Launch | Product, stream: Any) -> _Ready:
        """Bring the table there."""
        if isinstance(work, Product):
            return cls(work)
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
