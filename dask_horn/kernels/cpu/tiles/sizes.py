"""How large a tile is: as many sums as the processor has registers for."""

from __future__ import annotations

from typing import Any

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cpu.tiles.vectors import LANES
from dask_horn.kernels.rounding import round_up

#: Rows of a tile: with two vectors of columns, as many sums as there are registers for, with some
#: left for the factors; and fewer, so that most heights are made up of both without a rest.
TALL, SHORT = (12, 8) if LANES == 16 else (5, 4)
#: Columns of a tile: two vectors; where fewer are left, one.
WIDE = 2 * LANES
#: Elements of the work space in which an incomplete tile or block is kept.
SCRATCH = max(TALL * WIDE, LANES * LANES)


@inlined
def n_tall_tiles(n_rows: Any) -> Any:
    """How many tiles of TALL rows come first; SHORT ones follow, and only the last may be cut."""
    grain = TALL - SHORT
    n_short = (-n_rows // grain * grain) % TALL // grain
    return max(0, (round_up(n_rows, grain) - SHORT * n_short) // TALL)
