"""Row blocks: the pieces of a store that are dealt to worker groups and held out.

A block is a range of rows and lies within one chunk, so that reading it decodes that chunk only.
Nothing here knows what the rows hold or how they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from dask_horn.checks import checked_number
from dask_horn.randomness import Purpose, generator
from dask_horn.rounding import ceil_div


@dataclass(frozen=True, order=True)
class Block:
    """A range of consecutive rows of a store.

    Attributes
    ----------
    start : int
        First row.
    stop : int
        One past the last row; larger than ``start``.
    """

    start: int
    stop: int

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.stop - self.start


def row_blocks(
    n_samples: int, chunk_rows: int, n_groups: int, min_blocks_per_group: int = 8
) -> tuple[Block, ...]:
    """Cut the rows of a store into blocks.

    A block is the rows of one chunk. Where that would give fewer than ``min_blocks_per_group``
    blocks to each group, every chunk is cut into equal smaller blocks; none is empty.

    Parameters
    ----------
    n_samples : int
        Rows of the store.
    chunk_rows : int
        Rows that are read together.
    n_groups : int
        Worker groups that the blocks are for.
    min_blocks_per_group : int, default 8
        How many blocks each group should get if there are rows enough; 8 lets the groups'
        subsets cover the whole store even where it is sorted.

    Returns
    -------
    tuple of Block
        Blocks in the order of the store; together they cover every row once.

    Raises
    ------
    ValueError
        If there are fewer samples than groups.

    Examples
    --------
    >>> [len(block) for block in row_blocks(1000, 300, n_groups=1, min_blocks_per_group=4)]
    [300, 300, 300, 100]
    >>> len(row_blocks(1000, 1000, n_groups=2))
    16
    """
    if n_samples < n_groups:
        raise ValueError(
            f"n_groups={n_groups} is more than the {n_samples} samples that there are; "
            f"set n_groups to {max(n_samples, 1)} or fewer."
        )
    wanted = min_blocks_per_group * n_groups
    cut = ceil_div(n_samples, chunk_rows) < wanted
    blocks: list[Block] = []
    for start in range(0, n_samples, chunk_rows):
        rows = min(chunk_rows, n_samples - start)
        n_pieces = min(rows, ceil_div(rows * wanted, n_samples)) if cut else 1
        edges = [start + rows * piece // n_pieces for piece in range(n_pieces + 1)]
        blocks.extend(Block(a, b) for a, b in pairwise(edges))
    return tuple(blocks)


def deal(blocks: Sequence[Block], n_groups: int, seed: int) -> tuple[tuple[Block, ...], ...]:
    """Deal blocks to worker groups, spread evenly over the store.

    Each run of ``n_groups`` consecutive blocks gives one block to each group, in an order drawn
    anew for each run: a store that is sorted still gives every group a bit of everything.

    Parameters
    ----------
    blocks : sequence of Block
        Blocks in the order of the store.
    n_groups : int
        Number of worker groups.
    seed : int
        The run's seed.

    Returns
    -------
    tuple of tuple of Block
        One subset per group, in the order of the store; every block is in exactly one.

    Raises
    ------
    ValueError
        If there are fewer blocks than groups.

    Examples
    --------
    >>> subsets = deal(row_blocks(64, 4, n_groups=2), n_groups=2, seed=0)
    >>> [len(subset) for subset in subsets]
    [8, 8]
    """
    if len(blocks) < n_groups:
        raise ValueError(
            f"n_groups={n_groups} is more than the {len(blocks)} row blocks left for training; "
            "use fewer groups or a smaller validation_fraction."
        )
    rng = generator(seed, Purpose.DEAL)
    subsets: list[list[Block]] = [[] for _ in range(n_groups)]
    for first in range(0, len(blocks), n_groups):
        # The last run may be short: the permutation then also draws who gets nothing from it.
        for block, group in zip(
            blocks[first : first + n_groups], rng.permutation(n_groups), strict=False
        ):
            subsets[group].append(block)
    return tuple(tuple(subset) for subset in subsets)


def hold_out(
    blocks: Sequence[Block], fraction: float, seed: int
) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """Hold out whole blocks for validation, spread evenly over the store.

    Parameters
    ----------
    blocks : sequence of Block
        Blocks in the order of the store.
    fraction : float
        Share of the blocks to hold out, between 0 and 1; at least one block is held out and
        at least one is left.
    seed : int
        The run's seed.

    Returns
    -------
    train, held : tuple of Block
        The blocks to train on and those held out, each in the order of the store.

    Raises
    ------
    ValueError
        If ``fraction`` is not between 0 and 1, or there is only one block.

    Examples
    --------
    >>> train, held = hold_out(row_blocks(100, 10, 1), 0.2, seed=0)
    >>> len(train), len(held)
    (8, 2)
    """
    checked_number("validation_fraction", fraction, above=0, below=1)
    if len(blocks) < 2:
        raise ValueError(
            f"validation_fraction={fraction} needs at least two row blocks, and there is "
            f"{len(blocks)}; pass validation_data, or use more samples."
        )
    n_held = min(max(1, round(fraction * len(blocks))), len(blocks) - 1)
    # One block from each of n_held equal stretches of the store.
    edges = [len(blocks) * stretch // n_held for stretch in range(n_held + 1)]
    held = set(generator(seed, Purpose.HOLD_OUT).integers(edges[:-1], edges[1:]).tolist())
    train = tuple(block for i, block in enumerate(blocks) if i not in held)
    return train, tuple(blocks[i] for i in sorted(held))


def hold_out_ends(
    blocks: Sequence[Block], fraction: float
) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """Hold out the last rows of each block, where whole blocks would be too few.

    Parameters
    ----------
    blocks, fraction
        As for `hold_out`; the fraction is one of the rows of each block.

    Returns
    -------
    train, held : tuple of Block
        A block of one row is trained on.

    Examples
    --------
    >>> hold_out_ends([Block(0, 10), Block(10, 11)], 0.2)
    ((Block(start=0, stop=8), Block(start=10, stop=11)), (Block(start=8, stop=10),))
    """
    train, held = [], []
    for block in blocks:
        n_held = min(max(1, round(fraction * len(block))), len(block) - 1)
        train.append(Block(block.start, block.stop - n_held))
        if n_held:
            held.append(Block(block.stop - n_held, block.stop))
    return tuple(train), tuple(held)
