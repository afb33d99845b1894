"""The cache stays within its bytes and loads once, whoever asks."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dask_horn.data.store.cache import ArrayCache


def test_two_threads_load_once():
    cache, loads, barrier = ArrayCache(1000), [], threading.Barrier(4)

    def load():
        loads.append(1)
        time.sleep(0.02)
        return np.arange(3)

    def ask(_):
        barrier.wait()
        return cache.get(("run", 0), load)

    with ThreadPoolExecutor(4) as pool:
        arrays = list(pool.map(ask, range(4)))
    assert len(loads) == 1
    assert all(array is arrays[0] for array in arrays)


def test_the_least_recently_used_goes_first():
    cache, loads = ArrayCache(2400), []

    def ask(key):
        return cache.get(("run", key), lambda: loads.append(key) or np.zeros(100))

    for key in (0, 1, 2, 0, 3, 0, 1):
        ask(key)
        assert cache.n_bytes <= 2400
    assert loads == [0, 1, 2, 3, 1]


def test_an_array_larger_than_the_cache_is_handed_out_and_not_kept():
    cache = ArrayCache(100)
    assert cache.get(("run", 0), lambda: np.zeros(100)).nbytes == 800
    assert cache.n_bytes == 0


def test_a_failed_load_is_told_and_tried_again():
    cache = ArrayCache(1000)

    def fail():
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        cache.get(("run", 0), fail)
    assert cache.get(("run", 0), lambda: np.ones(1)) == 1


def test_forgetting_a_run_while_it_loads():
    cache = ArrayCache(1000)

    def load():
        cache.forget("run")
        return np.zeros(10)

    cache.get(("run", 0), load)
    assert cache.n_bytes == 0
    cache.get(("other", 0), lambda: np.zeros(10))
    cache.forget("run")
    assert cache.n_bytes == 80


def test_what_is_shared_cannot_be_changed():
    array = ArrayCache(1000).get(("run", 0), lambda: np.zeros(3))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
