"""Gradients of any function of parameters, without a formula."""

from __future__ import annotations

import numpy as np


def central_differences(function, params, step=1e-6):
    found = {}
    for name, value in params.items():
        gradient = np.empty_like(value)
        for index in np.ndindex(value.shape):
            moved = {sign: {**params, name: value.copy()} for sign in (-1, 1)}
            for sign in (-1, 1):
                moved[sign][name][index] += sign * step
            gradient[index] = (function(moved[1]) - function(moved[-1])) / (2 * step)
        found[name] = gradient
    return found
