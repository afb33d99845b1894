"""From programs of one structure to the launches of a step: one list, for all sub-models at once.

An operation is one launch, or a few: where a kernel is for some shapes only, sub-models part, and
where a kernel does two operations at once, the second has none. What is chosen for a sub-model
follows from its own shapes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels import opcodes as op
from dask_horn.kernels.cuda.columns import FIRST, N_TILE_COLUMNS, ROW, SECOND, SUBMODEL
from dask_horn.kernels.cuda.compile import KERNELS, Kernel
from dask_horn.kernels.cuda.library import Product
from dask_horn.kernels.program import Operation, Program


@dataclass(frozen=True, eq=False)
class Launch:
    """One launch of a kernel.

    Attributes
    ----------
    kernel : Kernel
    tiles : ndarray of int32, (blocks, N_TILE_COLUMNS)
        What each block does; see `dask_horn.kernels.cuda.columns`.
    """

    kernel: Kernel
    tiles: NDArray[np.int32]


#: What a step is made of: our launches, and the library's products.
Work = Launch | Product


@dataclass(frozen=True, eq=False)
class Programs:
    """Programs of one structure, one for each sub-model, with their arenas side by side.

    Attributes
    ----------
    kernels : tuple of str
        Names of the kernels that the rows' first column indexes.
    batch_size : int
        The most samples of a batch: one for all.
    bases : ndarray of int64, (s + 1,)
        Where each sub-model's arena begins, and the end.
    rows : ndarray of int64, (s, n_ops, N_COLUMNS)
        As in a program, but that offsets count from the beginning of all arenas.
    """

    kernels: tuple[str, ...]
    batch_size: int
    bases: NDArray[np.int64]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, programs: Sequence[Program]) -> Programs:
        """Put programs side by side."""
        first = programs[0]
        assert all(program.kernels == first.kernels for program in programs)
        bases = np.cumsum([0, *(program.arena_size for program in programs)])
        rows = np.stack([program.rows for program in programs])
        rows[:, :, op.A : op.RULE] += bases[:-1, None, None]
        return cls(first.kernels, first.batch_size, bases, rows)

    @property
    def every(self) -> range:
        """The numbers of all sub-models."""
        return range(len(self.rows))

    @property
    def loss_rows(self) -> int:
        """Rows of a batch that have a loss of their own: steps of sequences, else samples."""
        return self.batch_size * int(self.rows[:, :, op.ROWS].max())

    @property
    def n_operations(self) -> int:
        """Operations of each program."""
        return self.rows.shape[1]

    def name(self, i: int) -> str:
        """Return the name of operation i; empty behind the last one."""
        return self.kernels[self.rows[0, i, op.OP]] if i < self.n_operations else ""

    def operation(self, submodel: int, i: int) -> Operation:
        """Return what operation i of a sub-model is, without its operands."""
        row = self.rows[submodel, i].tolist()
        sizes = tuple(row[op.SIZES :])
        return Operation(self.name(i), row[op.N_IN], row[op.N_OUT], row[op.ROWS], sizes)

    def launch(self, name: str, i: int, submodels: Sequence[int] | None = None) -> Launch:
        """Return the launch of a kernel that does operation i of some sub-models, or of all."""
        kernel = KERNELS[name]
        chosen = self.every if submodels is None else submodels
        operations = [self.operation(submodel, i) for submodel in chosen]
        grids = {one: kernel.tiling(one, self.batch_size) for one in set(operations)}
        down, across = np.array([grids[one] for one in operations]).T
        counts = down * across
        first, n_across = np.repeat(np.cumsum(counts) - counts, counts), np.repeat(across, counts)
        number = np.arange(counts.sum()) - first
        tiles = np.empty((number.size, N_TILE_COLUMNS), np.int32)
        tiles[:, SUBMODEL], tiles[:, ROW] = np.repeat(chosen, counts), i
        tiles[:, FIRST], tiles[:, SECOND] = np.divmod(number, n_across)
        return Launch(kernel, tiles)


#: Writes the work of operation i, and of as many as it does at once: returns it, and how many.
Lowering = Callable[[Programs, int], tuple[list[Work], int]]

_LOWERINGS: dict[str, Lowering] = {}

#: Kernels that must run before the first operation of a kernel in each step, by its name.
_PREPARED_BY: dict[str, str] = {}

#: What else operations do as they go along, where other devices have operations of their own.
_BROUGHT_ALONG: dict[str, str] = {}

#: Elements of work space that operations need, by name, of a batch of at most so many samples.
WORK_SIZES: dict[str, Callable[[Operation, int], int]] = {}


def lowers(*names: str) -> Callable[[Lowering], Lowering]:
    """Register a function that writes the work of the operations called so."""

    def register(lowering: Lowering) -> Lowering:
        _LOWERINGS.update(dict.fromkeys(names, lowering))
        return lowering

    return register


def prepared_by(name: str, preparing: str) -> None:
    """Have a kernel prepare what operations of this name need, once in each step."""
    _PREPARED_BY[name] = preparing


def brings_along(name: str, other: str) -> None:
    """Tell that the operations of one name do what those of the other one are for."""
    _BROUGHT_ALONG[name] = other


def fused(name: str, other: str) -> bool:
    """Tell whether an operation does what another one is for, or can: see `Device.fuses`."""
    return _BROUGHT_ALONG.get(name) == other or offered(f"{name}_{other}")


def offered(name: str) -> bool:
    """Tell whether there is a way to do operations of this name."""
    return name in _LOWERINGS or name in KERNELS


def lowered(programs: Programs) -> list[Work]:
    """Return the work of one step, in order."""
    found: list[Work] = []
    i, prepared = 0, False
    while i < programs.n_operations:
        name = programs.name(i)
        if name in _PREPARED_BY and not prepared:
            found.append(_preparation(programs, i, _PREPARED_BY[name]))
            prepared = True
        work, n_done = _LOWERINGS.get(name, _alone)(programs, i)
        found += work
        i += n_done
    return found


def _alone(programs: Programs, i: int) -> tuple[list[Work], int]:
    return [programs.launch(programs.name(i), i)], 1


def _preparation(programs: Programs, first: int, preparing: str) -> Launch:
    """One launch for all operations, from the first one on, that are prepared alike."""
    tables = [
        programs.launch(preparing, i).tiles
        for i in range(first, programs.n_operations)
        if _PREPARED_BY.get(programs.name(i)) == preparing
    ]
    return Launch(KERNELS[preparing], np.concatenate(tables))


def together(programs: Programs, i: int) -> tuple[list[Work], int]:
    """Do an operation, and those of its kernel that follow at once, in one launch.

    For operations that have nothing to do with each other.
    """
    name, stop = programs.name(i), i
    tables = []
    while programs.name(stop) == name:
        tables.append(programs.launch(name, stop).tiles)
        stop += 1
    return [Launch(KERNELS[name], np.concatenate(tables))], stop - i
