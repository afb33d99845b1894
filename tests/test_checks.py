"""Single arguments are checked in one place, and every message has one form."""

from __future__ import annotations

import numpy as np
import pytest

from dask_horn import checks


def check_rate(value):
    return checks.checked_number("rate", value, at_least=0, below=1)


def check_units(value):
    return checks.checked_integer("units", value, 1)


def check_tokens(value):
    return checks.checked_integer("n_tokens", value, 1, 9)


def check_epsilon(value):
    return checks.checked_number("epsilon", value, above=0)


def check_padding(value):
    return checks.checked_choice("padding", value, ("valid", "same"))


def check_schedule(value):
    return checks.checked_choice("schedule", value, ["cosine", "linear", "constant"])


def check_bias(value):
    return checks.checked_bool("use_bias", value)


@pytest.mark.parametrize(
    ("check", "value", "expected"),
    [
        (check_units, np.int64(3), 3),
        (check_tokens, 9, 9),
        (check_rate, np.float32(0.5), 0.5),
        (check_rate, 0, 0.0),
        (check_padding, "same", "same"),
        (check_bias, np.False_, False),
        (checks.checked_mask_value, np.int8(-1), -1.0),
        (checks.checked_mask_value, None, None),
        (checks.checked_name, "first_2", "first_2"),
        (checks.checked_name, None, None),
    ],
)
def test_values_come_back_in_their_plain_form(check, value, expected):
    checked = check(value)
    assert checked == expected
    assert type(checked) is type(expected)


@pytest.mark.parametrize(
    ("check", "value", "error", "wanted"),
    [
        (check_units, 0, ValueError, "units must be an integer of at least 1"),
        (check_units, 2.0, TypeError, "units must be an integer of at least 1"),
        (check_units, True, TypeError, "units must be an integer of at least 1"),
        (check_tokens, 10, ValueError, "n_tokens must be an integer from 1 to 9"),
        (check_rate, 1, ValueError, "rate must be a number of at least 0 and below 1"),
        (check_rate, float("nan"), ValueError, "rate must be a number of at least 0 and below 1"),
        (check_rate, "half", TypeError, "rate must be a number of at least 0 and below 1"),
        (check_epsilon, 0, ValueError, "epsilon must be a finite number above 0"),
        (check_epsilon, 10**400, ValueError, "epsilon must be a finite number above 0"),
        (check_epsilon, False, TypeError, "epsilon must be a finite number above 0"),
        (check_padding, "full", ValueError, "padding must be one of 'valid', 'same'"),
        (check_padding, None, TypeError, "padding must be one of 'valid', 'same'"),
        (
            check_schedule,
            "cos",
            ValueError,
            "schedule must be one of 'cosine', 'linear', 'constant'",
        ),
        (check_bias, 1, TypeError, "use_bias must be True or False"),
        (
            checks.checked_mask_value,
            1e39,
            ValueError,
            "mask_value must be None or a finite number in the range of float32",
        ),
        (
            checks.checked_name,
            "_a",
            ValueError,
            "name must be a string of letters, digits and underscores that begins with a letter",
        ),
    ],
)
def test_a_message_says_what_must_be_and_what_came(check, value, error, wanted):
    with pytest.raises(error) as caught:
        check(value)
    assert str(caught.value) == f"{wanted}, got {value!r}"
