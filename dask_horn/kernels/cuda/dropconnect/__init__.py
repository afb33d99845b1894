"""DropConnect: the products of a dense layer with a mask for each example and weight.

The formulas and the masks are those of `dask_horn.kernels.cpu.dropconnect`, but no mask is ever in
memory. A thread draws a word of the mask into a register, whose 32 bits decide which of as many
products it adds up. It has the same word of each tile of the mask: four columns, MASK_WORDS apart.
In shared memory a row of 64 columns lies in that order.

Every row of a program that uses masks has what drawing needs: behind its own constant stands how
many of 256 weights are kept. The mask has one row more than the weight, the bias'.
"""

from __future__ import annotations

from dask_horn.kernels.cuda.dropconnect import (  # noqa: F401  (imported to register the kernels)
    forward,
    input_gradient,
    keep,
    weight_gradient,
)
