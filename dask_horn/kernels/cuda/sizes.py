"""How the work of one operation is cut into blocks of threads.

The simulator runs each thread as one of Python's: its blocks are small.
"""

from __future__ import annotations

from dataclasses import dataclass

from dask_horn.kernels.cuda.driver import SIMULATED


@dataclass(frozen=True)
class ProductTile:
    """A block's share of a product.

    Attributes
    ----------
    lines, columns : int
        Of the result.
    depth : int
        Terms of its sums that are in shared memory together.
    own_lines, own_columns : int
        What each thread adds up, in registers.
    """

    lines: int
    columns: int
    depth: int
    own_lines: int
    own_columns: int

    @property
    def across(self) -> int:
        """Threads side by side."""
        return self.columns // self.own_columns

    @property
    def n_threads(self) -> int:
        """Threads of a block."""
        return self.lines // self.own_lines * self.across


#: Tiles of products by name: for results as narrow as an output layer's, and for all others.
PRODUCT_TILES = (
    {"square": ProductTile(8, 8, 4, 4, 2), "narrow": ProductTile(8, 4, 4, 2, 2)}
    if SIMULATED
    else {"square": ProductTile(64, 64, 32, 4, 4), "narrow": ProductTile(16, 16, 64, 1, 1)}
)

#: Threads of a block that goes over elements, and how many elements it takes.
ELEMENT_THREADS, ELEMENTS = (4, 256) if SIMULATED else (256, 1024)

#: A block of lanes: threads side by side that share a row, or each have a column, and the rows.
LANES, LANE_ROWS = (4, 2) if SIMULATED else (32, 8)

#: Samples that a block of the gather fetches.
GATHERED = 4

#: Elements of which one block adds up the squares.
NORM_ELEMENTS = 1024 if SIMULATED else 8192


def tile_of(n_columns: int) -> str:
    """Return the name of the tile for a product with so many columns."""
    return "narrow" if n_columns <= PRODUCT_TILES["narrow"].columns else "square"
