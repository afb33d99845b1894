"""A few hundred of the generated inputs; `python -m tests.fuzz_inputs` tries many more."""

from __future__ import annotations

import pytest
from hypothesis import seed, settings

from tests.fuzz_inputs import ENTRIES, STRANGERS, Given, check, examples, quiet


@seed(18)
@settings(max_examples=300, database=None, suppress_health_check=quiet)
@examples
def test_any_input_ends_in_a_right_answer_or_one_sentence(name, pair):
    check(name, *pair)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENTRIES)
def test_what_is_no_array_is_told_wherever_it_enters(name):
    import numpy as np

    good = Given(np.arange(24.0).reshape(8, 3)), Given(np.array([0, 1] * 4))
    for make in STRANGERS.values():
        check(name, Given(make()), good[1])
        check(name, good[0], Given(make()))
