"""What runs programs: what a device tells those who lay them out, and the machines it makes.

Importing this imports no kernels: a device's own are loaded when it is asked for.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels.program import Operation, Program

# Where each device is defined, as DEVICE: the one place that knows them all.
_MODULES = {
    "cpu": "dask_horn.kernels.cpu.machine",
    "cuda": "dask_horn.kernels.cuda.machine",
}

#: Names of the devices.
DEVICES = tuple(_MODULES)

#: How large products are computed: in float32 throughout, or from factors that are rounded first,
#: to 10 or to 7 binary digits. Sums and parameters are of float32 in any case.
PRECISIONS: tuple[str, ...] = ("float32", "tf32", "bf16")

#: What may be asked for: a device, or whichever suits.
KNOWN_DEVICES = (*DEVICES, "auto")


class MissingKernelError(ValueError):
    """A device has not all of the kernels that a program needs."""


class Scaling(Protocol):
    """How samples are standardized: they are gathered as ``(x - mean) / scale``."""

    @property
    def mean(self) -> NDArray[np.float64]:
        """Of each feature, (n_features,)."""

    @property
    def scale(self) -> NDArray[np.float64]:
        """Of each feature, (n_features,)."""


class BlockName(NamedTuple):
    """Which rows a block has: as long as the run goes on, they do not change."""

    run: str  #: the run's id
    start: int  #: its first row in the store
    stop: int  #: the row behind its last one


@dataclass(frozen=True, eq=False)
class Window:
    """Rows that are in memory together, in blocks.

    Attributes
    ----------
    samples : sequence of ndarray, (rows, n_features)
        Of a dtype that programs gather, C-contiguous.
    targets : sequence of ndarray of float32, (rows, n_targets)
        Of the same blocks; empty where the program reads none.
    names : sequence of BlockName
        Of the same blocks, which a machine may then keep for the run; empty where it shall not. Of
        a block that it holds already, samples and targets are not read: their shapes do.
    """

    samples: Sequence[NDArray[Any]]
    targets: Sequence[NDArray[np.float32]] = ()
    names: Sequence[BlockName] = ()

    @property
    def n_rows(self) -> int:
        """Rows of all blocks."""
        return sum(map(len, self.samples))


@dataclass(frozen=True, eq=False)
class Steps:
    """What one sub-model does with a window: its batches, as arrays by step.

    Attributes
    ----------
    order : ndarray of int64
        Rows of the window, counted through all of its blocks, in the order they are taken.
    starts : ndarray of int64, (n_steps + 1,)
        Where each batch begins in `order`.
    rates : ndarray of float64, (n_steps,)
        Learning rate of each step; zeros where nothing is trained.
    window : int, default 0
        Which of the staged windows.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    rates: NDArray[np.float64]
    window: int = 0

    @classmethod
    def without_rates(
        cls, order: NDArray[np.int64], starts: NDArray[np.int64], window: int = 0
    ) -> Steps:
        """Return steps that train nothing."""
        return cls(order, starts, np.zeros(starts.size - 1), window)

    @classmethod
    def through(cls, n_rows: int, batch_size: int) -> Steps:
        """Return steps that take every row of a window once, in order, and train nothing."""
        starts = np.append(np.arange(0, n_rows, batch_size), n_rows)
        return cls.without_rates(np.arange(n_rows), starts)


class Pending(Protocol):
    """Steps that a machine is taking, and may be taking still."""

    def losses(self) -> list[NDArray[np.float64]]:
        """Wait until they are taken; return their mean losses, (n_done,) for each sub-model.

        Fewer than there are steps where a loss was not finite: that one is the last.
        """


class Machine(Protocol):
    """Holds programs of one structure, one for each sub-model, and runs batches through them."""

    def load(
        self, parameters: Sequence[NDArray[np.float32]], keys: Sequence[int] | None = None
    ) -> None:
        """Begin anew at these parameters, which are copied; optimizers' states are zeros.

        `keys` are the sub-models' 64-bit keys of random masks, by default 0.
        """

    def holds(self, block: BlockName) -> bool:
        """Tell whether it has a block, so that nobody need read it; until the run ends."""

    def stage(self, windows: Sequence[Window]) -> Any:
        """Bring windows where the device reads them: for `run` and `outputs`, as they need it."""

    def run(self, staged: Any, steps: Sequence[Steps]) -> Pending:
        """Take each sub-model's steps, or begin to: the next window may be staged meanwhile."""

    def outputs(self, staged: Any, steps: Sequence[Steps]) -> list[NDArray[np.float32]]:
        """Run the steps; return what each sub-model's program stores, (n, n_outputs).

        A row for each of the order's rows, or for each step; `Program.outputs_per_batch` tells.
        A row's outputs are the same to the bit whatever rows are beside it.
        """

    def parameters(self) -> list[NDArray[np.float32]]:
        """Return the parameters as they are now; they may be views, that the next run changes."""


@dataclass(frozen=True)
class DeviceState:
    """What a device is in one process.

    Attributes
    ----------
    name : str
        Of the device, as `device=` takes it.
    model : str
        Which one it is, for people: a processor's name, with versions that matter.
    memory : int or None
        Bytes that programs and their windows may take there; None where it is the host's memory.
    missing : str, default ""
        What keeps it from running programs, in one sentence; empty where nothing does.
    """

    name: str
    model: str
    memory: int | None = None
    missing: str = ""


class Device(Protocol):
    """What a device offers.

    Attributes
    ----------
    name : str
    alignment : int
        Float32 elements; buffers begin at multiples of it.
    row_multiple : int
        Buffers of a batch have memory for a multiple of so many rows.
    slack : int
        Float32 elements that must follow the last buffer.
    precisions : tuple of str
        Of `PRECISIONS`, those that it knows.
    """

    name: str
    alignment: int
    row_multiple: int
    slack: int
    precisions: tuple[str, ...]

    def state(self) -> DeviceState:
        """Tell what it is in this process, and whether it can run programs at all."""

    def offers(self, kernel: str) -> bool:
        """Tell whether the device has a kernel of this name."""

    def work_size(self, operation: Operation, batch_size: int) -> int:
        """Return the elements of work space that an operation needs, at most.

        Work space keeps nothing from one operation to the next.
        """

    def result_size(self, operation: Operation, batch_size: int) -> int:
        """Return the elements of a result whose layout is the device's own, such as masks."""

    def fuses(self, operation: Operation, other: str) -> bool:
        """Tell whether what `operation` does, and what `other` is for, are done at once.

        Where `other` is an optimizer, a weight can be updated as its gradient is computed: there is
        a kernel named ``<operation>_<optimizer>``, which takes the weight where the operation's own
        kernel takes the gradient. Where it is "dropconnect_masks" or "dropconnect_mask", the
        operation draws the masks itself, and reads none.
        """

    def warm_up(self, kernels: Sequence[str]) -> None:
        """Compile or load these kernels, and what every run needs."""

    def forget(self, run: str) -> None:
        """Give up what is kept for a run, unless others are just using the device."""

    def machine(
        self, programs: Sequence[Program], scaling: Scaling, precision: str = "float32"
    ) -> Machine:
        """Return a machine for these programs, of one structure; it is to be loaded yet.

        `precision` is that of large products; other products are of float32 in any case.
        """


@dataclass(frozen=True)
class Kernels:
    """Kernels of one device, by their names: what a worker needs before its first task."""

    device: str
    names: tuple[str, ...]

    def warm_up(self) -> None:
        """Compile or load them here."""
        device(self.device).warm_up(self.names)


@functools.cache
def device(name: str) -> Device:
    """Return a device, its kernels registered; `name` is one of `DEVICES`."""
    return cast(Device, importlib.import_module(_MODULES[name]).DEVICE)


def forget(run: str) -> None:
    """Have the devices that this process has used give up what they keep for a run."""
    for module in _MODULES.values():
        if module in sys.modules:
            sys.modules[module].DEVICE.forget(run)
