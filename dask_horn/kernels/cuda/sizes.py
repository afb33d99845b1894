"""How the work of one operation is cut into blocks of threads.

The simulator runs each thread as one of Python's: its blocks are small.
"""

from __future__ import annotations

from dataclasses import dataclass

from dask_horn.kernels.cuda.driver import SIMULATED
from dask_horn.kernels.masks import MASK_WORDS


@dataclass(frozen=True)
class ProductTile:
    """A block's share of a product.

    Attributes
    ----------
    rows, columns : int
        Of the result.
    depth : int
        Terms of its sums that are in shared memory together.
    own_rows, own_columns : int
        What each thread adds up, in registers.
    """

    rows: int
    columns: int
    depth: int
    own_rows: int
    own_columns: int

    @property
    def across(self) -> int:
        """Threads side by side."""
        return self.columns // self.own_columns

    @property
    def n_threads(self) -> int:
        """Threads of a block."""
        return self.rows // self.own_rows * self.across


#: Tiles of products by name: for results as narrow as an output layer's, and for all others.
PRODUCT_TILES = (
    {"square": ProductTile(8, 8, 4, 4, 2), "narrow": ProductTile(8, 4, 4, 2, 2)}
    if SIMULATED
    else {"square": ProductTile(32, 32, 32, 4, 4), "narrow": ProductTile(16, 16, 64, 1, 1)}
)


@dataclass(frozen=True)
class MaskedTile:
    """A block's share of a product with a mask for each example: threads by the word of a mask.

    Attributes
    ----------
    own : int
        Words that a thread draws at a time; an even number.
    groups : int
        Groups of threads, one for each word of a tile of the mask, side by side.
    splits : int
        Parts of each sum, that groups above each other add up.
    """

    own: int
    groups: int
    splits: int

    @property
    def n_threads(self) -> int:
        """Threads of a block."""
        return MASK_WORDS * self.groups * self.splits

    @property
    def examples(self) -> int:
        """Examples of a block where groups differ in them."""
        return self.own * self.groups


#: Tiles of the products with masks, by name.
MASKED_TILES = (
    {
        "forward": MaskedTile(2, 2, 2),
        "input": MaskedTile(4, 8, 1),
        "weight": MaskedTile(2, 2, 2),
    }
    if SIMULATED
    else {
        "forward": MaskedTile(4, 4, 4),
        "input": MaskedTile(4, 8, 1),
        "weight": MaskedTile(4, 4, 4),
    }
)

#: Keys of tiles of masks that are drawn together: of all digits of at least as many as are split.
MASK_KEYS = 16 if SIMULATED else 256

#: Tiles of a mask that a block goes over where it draws a mask only to apply it.
KEPT_TILES = 1 if SIMULATED else 16

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
