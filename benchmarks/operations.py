"""Training steps as the library's programs: the whole of them, or some of their operations alone.

This is the only module of the benchmarks that knows more of dask_horn than its public names.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import dask_horn as horn
from dask_horn import program as programs
from dask_horn.data import Standardizer
from dask_horn.kernels import opcodes
from dask_horn.kernels.compile import target
from dask_horn.kernels.device import Machine, Steps, Window, device
from dask_horn.kernels.program import Program

__all__ = [
    "Call",
    "Many",
    "Operation",
    "Ran",
    "Step",
    "cuda_kernels",
    "device_missing",
    "has_avx512",
    "load_kernels",
    "set_product_tile",
]

RATE = 1e-4
_DEVICE = device("cpu")
#: What a worker needs for a dense network with dropout.
_KERNELS = (
    "gather_uint8", "gather_targets", "gemm_forward", "gemm_weight", "gemm_input", "store",
    "relu_forward", "relu_backward", "linear_forward", "linear_backward",
    "dropout_forward", "dropout_backward", "cross_entropy", "adamw",
)  # fmt: skip

Call = Callable[[], object]


class Operation(NamedTuple):
    """One operation of a step: the kernel's name, and the lengths that it is done with."""

    kernel: str
    n_in: int
    n_out: int


class Ran(NamedTuple):
    """An operation that was run by itself: the arena before and after, and where its operands are.

    `at` has offsets by the letters of operands, "A" to "E", and "states" and "more states", where
    an optimizer's are; `constant` is its own.
    """

    operation: Operation
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    at: Mapping[str, int]
    constant: float


class Step:
    """Optimizer steps of a network on samples in memory.

    `x` (n, features), float32 or uint8, is taken as it is; `y` (n, columns) are numbers of classes.
    `order` names the rows of all steps of a call, one after the other: by default the first
    `batch`, for one step. With `clip_norm` gradients are products alone, and the optimizer comes
    after them. `where` names the device, and `rate` is the learning rate.
    """

    def __init__(
        self,
        network: horn.Network,
        x: NDArray[Any],
        y: NDArray[Any],
        batch: int,
        order: NDArray[np.int64] | None = None,
        optimizer: str = "adamw",
        clip_norm: float | None = None,
        where: str = "cpu",
        rate: float = RATE,
    ) -> None:
        self._device = device(where)
        rows = np.arange(batch) if order is None else order
        n_steps = len(rows) // batch
        rule = programs.Optimizer(optimizer, clip_norm=clip_norm)
        program = _program(network, self._device, batch, str(x.dtype), rule)
        # All of the arena counts as parameters, so that it can be read and loaded.
        self._program = dataclasses.replace(program, n_parameters=program.arena_size)
        self._scaling = Standardizer.identity(x.shape[1])
        arena = np.zeros(program.arena_size, np.float32)
        arena[: program.n_parameters] = network.initial_values(0)
        self._machine = self._loaded(self._program, arena)
        self._window = Window([x], [y.astype(np.float32)])
        self._staged = self._machine.stage([self._window])
        self._steps = Steps(rows, np.arange(n_steps + 1) * batch, np.full(n_steps, rate))

    def _loaded(self, program: Program, arena: NDArray[np.float32]) -> Machine:
        machine = self._device.machine([program], self._scaling)
        machine.load([arena], [1])
        return machine

    @property
    def operations(self) -> list[Operation]:
        """The operations of a step, in their order."""
        return _operations(self._program)

    def run(self) -> NDArray[np.float64]:
        """Take the steps; return their losses."""
        return self._machine.run(self._staged, [self._steps]).losses()[0]

    def only(self, numbers: Sequence[int]) -> Call:
        """Make a call of some operations, by their places in `operations`.

        They find in the buffers what the last whole step has left there.
        """
        self.run()
        machine = self._loaded(_part(self._program, numbers), self._machine.parameters()[0])
        staged = machine.stage([self._window])
        return lambda: machine.run(staged, [self._steps]).losses()[0]

    def alone(self, number: int, behind: int = 0) -> Ran:
        """Run one operation once, on what the last whole step has left, as a run's first step.

        With so many `behind` those before it run too, and may be done in one launch with it.
        """
        row = self._program.rows[number]
        before = self._machine.parameters()[0].copy()
        machine = self._loaded(_part(self._program, range(number - behind, number + 1)), before)
        machine.run(machine.stage([self._window]), [self._steps]).losses()
        at = {letter: int(row[opcodes.A + i]) for i, letter in enumerate("ABCDE")}
        at["states"], at["more states"] = map(int, row[opcodes.STATES : opcodes.STATES + 2])
        constants = self._program.constants
        place = int(row[opcodes.CONSTANT]) - opcodes.N_SCALARS
        constant = float(constants[place]) if 0 <= place < constants.size else 1.0
        return Ran(self.operations[number], before, machine.parameters()[0].copy(), at, constant)


class Many:
    """Optimizer steps of many networks of one structure, all at once on a GPU.

    Each takes batches of its own, in a random order, from the samples `x` (n, features) and numbers
    of classes `y` (n, columns), which all of them share. `precision` is that of large products.
    """

    def __init__(
        self,
        networks: Sequence[horn.Network],
        x: NDArray[Any],
        y: NDArray[Any],
        batch: int,
        n_steps: int,
        *,
        optimizer: str = "adamw",
        clip_norm: float | None = None,
        precision: str = "float32",
    ) -> None:
        self._device, self._precision = device("cuda"), precision
        rule = programs.Optimizer(optimizer, clip_norm=clip_norm)
        # Networks are often one and the same: then so are their programs.
        each = {id(one): _program(one, self._device, batch, str(x.dtype), rule) for one in networks}
        self._programs = [each[id(one)] for one in networks]
        self._starts = [one.initial_values(i) for i, one in enumerate(networks)]
        self._scaling = Standardizer.identity(x.shape[1])
        self._window = Window([x], [y.astype(np.float32)])
        random = np.random.default_rng(0)
        starts, rates = np.arange(n_steps + 1) * batch, np.full(n_steps, RATE)
        self._steps = [
            Steps(random.integers(0, len(x), n_steps * batch), starts, rates) for _ in networks
        ]
        self._machine = self._together(self._programs)
        self.restart()
        self._staged = self._machine.stage([self._window])

    def _together(self, programs: Sequence[Program]) -> Machine:
        return self._device.machine(programs, self._scaling, self._precision)

    def restart(self) -> None:
        """Begin anew at the initial values."""
        self._machine.load(self._starts, range(1, len(self._programs) + 1))

    def run(self) -> list[NDArray[np.float64]]:
        """Take the steps; return their losses."""
        return self._machine.run(self._staged, self._steps).losses()

    def parameters(self) -> list[NDArray[np.float32]]:
        """Return each network's parameters as they are now."""
        return [own.copy() for own in self._machine.parameters()]

    def alone(self, number: int) -> list[NDArray[np.float32]]:
        """Return one network's parameters after its steps, if it is the only one."""
        machine = self._together([self._programs[number]])
        machine.load([self._starts[number]], [number + 1])
        machine.run(machine.stage([self._window]), [self._steps[number]]).losses()
        return [own.copy() for own in machine.parameters()]

    def only(self, is_own: Callable[[Operation], bool]) -> Call:
        """Make a call of some operations: they find in the buffers what is there at the start."""
        numbers = [i for i, one in enumerate(_operations(self._programs[0])) if is_own(one)]
        parts = [_part(program, numbers) for program in self._programs]
        machine = self._together(parts)
        machine.load(self._starts, range(1, len(parts) + 1))
        staged = machine.stage([self._window])
        return lambda: machine.run(staged, self._steps).losses()

    def launches(self) -> list[tuple[str, int]]:
        """Return what a step on a GPU is made of: each kernel's name and blocks, 0 of a library."""
        from dask_horn.kernels.cuda.lowering import Launch, lowered
        from dask_horn.kernels.cuda.lowering import Programs as Together

        together = Together.of(self._programs)
        return [
            (work.kernel.name, len(work.tiles)) if isinstance(work, Launch) else ("cuBLAS", 0)
            for work in [together.launch("advance", 0), *lowered(together)]
        ]


def _program(
    network: horn.Network, where: Any, batch: int, dtype: str, rule: programs.Optimizer
) -> Program:
    return programs.training_program(
        network,
        network.parameters,
        {},
        device=where,
        batch_size=batch,
        sample_dtype=dtype,
        optimizer=rule,
    )


def _part(program: Program, numbers: Sequence[int]) -> Program:
    """Return the program of some operations alone."""
    return dataclasses.replace(program, rows=program.rows[list(numbers)].copy())


def _operations(program: Program) -> list[Operation]:
    kernels = program.kernels
    return [
        Operation(kernels[row[opcodes.OP]], int(row[opcodes.N_IN]), int(row[opcodes.N_OUT]))
        for row in program.rows
    ]


def device_missing(where: str) -> str:
    """Tell what keeps a device from running here; empty where nothing does."""
    return device(where).state().missing


def set_product_tile(tile: tuple[int, int, int, int, int]) -> None:
    """Have a GPU's plain products cut otherwise: lines, columns, depth, and a thread's own two.

    For machines that are made from now on, in this process.
    """
    from dask_horn.kernels.cuda import gemm
    from dask_horn.kernels.cuda.sizes import PRODUCT_TILES, ProductTile

    PRODUCT_TILES["square"] = own = ProductTile(*tile)
    for kind in (gemm._FORWARD, gemm._INPUT, gemm._WEIGHT):
        name = f"gemm_{kind.name}"
        gemm._product(f"{name}:square", kind, own, gemm._STORED, (name,))


def has_avx512() -> bool:
    """Whether kernels are compiled for AVX-512 here."""
    return "+avx512f" in target()[2]


def load_kernels() -> None:
    """Compile or load what a worker needs for a dense network with dropout."""
    _DEVICE.warm_up(_KERNELS)


def cuda_kernels(capability: tuple[int, int]) -> Iterator[tuple[str, int, str]]:
    """Yield the name, the threads of a block and the PTX of every CUDA kernel."""
    device("cuda")  # registers them
    from dask_horn.kernels.cuda import driver
    from dask_horn.kernels.cuda.compile import KERNELS

    for kernel in KERNELS.values():
        ptx = driver.to_ptx(kernel.function, kernel.signature, capability)
        yield kernel.name, kernel.n_threads, ptx
