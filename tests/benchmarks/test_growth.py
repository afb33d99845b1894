"""Fits of power laws, and what is counted beside them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("benchmarks", reason="a source distribution has no benchmarks")

import dask_horn as horn
from benchmarks.growth import BASE, expected, fit, fitted, points


def test_fit_finds_a_power_law() -> None:
    x = [1, 2, 4, 8]
    law = fit(x, [3 * value**1.5 for value in x])
    assert law.exponent == pytest.approx(1.5)
    assert law.r2 == pytest.approx(1)
    assert law.worst == pytest.approx(1)


def test_fit_says_how_far_the_farthest_point_is() -> None:
    law = fit([1, 2, 4], [1.0, 2.0, 1.0])
    assert law.exponent == pytest.approx(0)
    assert law.r2 == pytest.approx(0)
    assert law.worst == pytest.approx(2 ** (2 / 3))


@pytest.mark.parametrize("n_groups", [1, 2, 5])
def test_counted_bytes_are_the_librarys(n_groups: int) -> None:
    y = np.arange(128) % 10
    hidden = [horn.Dense(12, activation="relu") for _ in range(2)]
    network = horn.Network([*hidden, horn.Dense(10)], input_shape=784)
    result = horn.train(
        network, np.zeros((128, 784), np.uint8), y, n_groups=n_groups, n_submodels=[3], n_rounds=3,
        steps_per_round=1, concentration=None,
    )  # fmt: skip
    record = result.history[1]
    point = {**BASE, "groups": n_groups, "submodels": 3, "width": 12, "axis": "width"}
    counted = expected(point, "bytes")
    moved = record.bytes_to_workers + record.bytes_from_workers
    assert moved == pytest.approx(counted, rel=0.02)  # tensors begin at multiples of 64 bytes
    assert bool(fitted([point], "bytes")) == (n_groups > 1)


def test_each_axis_is_varied_alone() -> None:
    for full in (False, True):
        for axis in BASE:
            along = [point for point in points(full) if point["axis"] == axis]
            assert len({point[axis] for point in along}) == len(along) >= 2
            for other in set(BASE) - {axis}:
                assert len({point[other] for point in along}) == 1
