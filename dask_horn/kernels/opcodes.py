"""The columns of an op row.

A program is a table of int64 rows, one per operation. Offsets count float32 elements from the
start of the arena, the one vector that holds parameters, gradients, optimizer state and
activations. What A to F stand for is told by each kernel's docstring.
"""

from __future__ import annotations

OP = 0  # index of the kernel in the program's own list of kernels
N_IN = 1  # length of the operation's inner axis, or of its input rows
N_OUT = 2  # length of its output rows, or the number of elements
A = 3  # offsets of the operands …
B = 4
C = 5
D = 6
E = 7
F = 8
CONSTANT = 9  # index of the operation's first constant among the scalars
STREAM = 10  # which random stream it draws from
N_COLUMNS = 11

N_OPERANDS = CONSTANT - A

# Counters: int64, set anew for each step.
BATCH = 0  # samples in this step
STEP = 1  # optimizer steps done since the sub-model's training began
KEY = 2  # 64-bit key of the sub-model's random masks
ORDER = 3  # address of this step's entries, (block << 32) | row
X_BLOCKS = 4  # address of the table of the blocks' sample addresses
Y_BLOCKS = 5  # address of the table of the blocks' target addresses
MEAN = 6  # address of the features' means, float64
INVERSE_SCALE = 7  # address of one over the features' scales, float64
RESULT = 8  # address of the outputs to be stored, float32, next row
N_COUNTERS = 9

# Scalars: float64; the program's own constants follow.
RATE = 0  # learning rate of this step
LOSS = 1  # mean loss of this step's batch
CLIP = 2  # factor on the gradient that keeps its norm within bounds
N_SCALARS = 3
