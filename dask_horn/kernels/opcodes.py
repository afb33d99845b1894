"""The columns of an op row.

A program is a table of int64 rows, one per operation. Offsets count float32 elements from the
start of the arena, the one vector that holds parameters, gradients, optimizer state and
activations. What A to H stand for is told by each kernel's docstring.
"""

from __future__ import annotations

OP = 0  # index of the kernel in the program's own list of kernels
N_IN = 1  # length of the operation's inner axis, or of its input rows
N_OUT = 2  # length of its output rows, or the number of elements
ROWS = 3  # rows of each sample: the positions of an image, the steps of a sequence, else one
A = 4  # offsets of the operands …
B = 5
C = 6
D = 7
E = 8
F = 9
G = 10
H = 11
WORK = 12  # offset of the work space, which the device asks for
STATES = 13  # offsets of the optimizer's state, where a parameter is updated …
RULE = 16  # index of the optimizer's first constant among the scalars, likewise
CONSTANT = 17  # index of the operation's own first constant among the scalars
STREAM = 18  # which random stream it draws from
SIZES = 19  # further sizes, such as those of a convolution …
N_COLUMNS = 32

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
