"""The counters that a GPU keeps for each sub-model, besides those of `dask_horn.kernels.opcodes`.

Of those, BATCH is 0 where a sub-model has no step to take: its blocks then return at once. Every
step runs CAPACITY samples: those beyond BATCH are zeros, and so are their gradients, so that what
a kernel does depends on the program's shapes alone.
"""

from __future__ import annotations

from dask_horn.kernels import opcodes as op

ORDER = op.ORDER  # where this step's entries begin in the order of rows
CAPACITY = op.N_COUNTERS  # the most samples of a batch
TAKEN = op.N_COUNTERS + 1  # steps taken since `run` was called
STOPPED = op.N_COUNTERS + 2  # 1 where a loss was not finite
N_COUNTERS = op.N_COUNTERS + 3

# A row of a table of tiles: which part of which operation of which sub-model a block does.
SUBMODEL = 0
ROW = 1
FIRST = 2  # the tile's first line
SECOND = 3  # its first column
N_TILE_COLUMNS = 4

N_NUMBERS = 12  # an optimizer's float32 numbers for a step, at most
