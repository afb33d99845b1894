"""Sequences of several lengths, padded."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

MASK = -7.0


@st.composite
def padded(draw):
    """Draw sequences (n, steps, width), each with one step at least, padded at its end."""
    n, steps, width = draw(st.integers(1, 6)), draw(st.integers(1, 5)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.normal(size=(n, steps, width))
    lengths = np.array(draw(st.lists(st.integers(1, steps), min_size=n, max_size=n)))
    counted = np.arange(steps) < lengths[:, None]
    x[~counted] = MASK
    return x, counted
