from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from dask_horn.kernels import compile as compiling
from dask_horn.kernels.compile import Compiled, ready

ROOT = Path(__file__).parents[3]

# Trains a line through a few points, and says which functions came from the cache.
TRAIN = """
import json, numpy as np
from dask_horn.kernels import compile as compiling
from dask_horn.network import Dense, Network
from dask_horn.data import Standardizer
from dask_horn.kernels.cpu.loop import run_steps
from dask_horn.kernels.device import Steps, Window, device
from dask_horn.program import Optimizer, training_program

network = Network([Dense(1)], 3, "squared_error")
cpu = device("cpu")
program = training_program(
    network,
    network.parameters,
    {},
    device=cpu,
    batch_size=4,
    sample_dtype="uint8",
    optimizer=Optimizer("sgd"),
)
compiling.ready(program.kernels, [run_steps])
machine = cpu.machine([program], Standardizer(np.ones(3), np.ones(3)))
machine.load([network.initial_values(0)])
x = np.arange(24, dtype="u1").reshape(8, 3)
staged = machine.stage([Window([x], [x[:, :1].astype("f4")])])
machine.run(staged, [Steps(np.arange(8), np.array([0, 4, 8]), np.full(2, 1e-3))])
loaded = [bool(compiling.registered(name).code.native().cache_hits) for name in program.kernels]
loaded.append(bool(run_steps.native().stats.cache_hits))
print(json.dumps({"weights": machine.parameters()[0].tobytes().hex(), "loaded": loaded}))
"""


def _start(code, cache):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
    )


def _finish(process):
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return json.loads(out)


def _files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_processes_that_start_together_compile_each_kernel_once(tmp_path):
    runs = [_finish(run) for run in [_start(TRAIN, tmp_path) for _ in range(3)]]
    assert len({run["weights"] for run in runs}) == 1
    columns = zip(*(run["loaded"] for run in runs), strict=True)
    compiled = [sum(not loaded for loaded in column) for column in columns]
    assert compiled == [1] * len(compiled)

    # A process that comes later compiles nothing, and writes nothing.
    before = _files(tmp_path)
    assert len(before) >= 2 * len(compiled)  # numba's index and its code
    later = _finish(_start(TRAIN, tmp_path))
    assert all(later["loaded"])
    assert later["weights"] == runs[0]["weights"]
    assert _files(tmp_path) == before


@pytest.mark.parametrize(
    ("statement", "strangers"),
    [
        ("import dask_horn", {"numba", "distributed", "zarr", "scipy"}),
        ("from dask_horn import Dense, Network; Network([Dense(2)], 3)", {"numba", "distributed"}),
        ("import dask_horn.program, dask_horn.partition", {"dask", "distributed", "zarr"}),
    ],
)
def test_what_an_import_brings_along(statement, strangers):
    code = f"import sys; {statement}; print(*({strangers!r} & set(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert ran.stdout.split() == []


class _Source:
    """A function to compile, and how often that was done; the name is its lock's."""

    def __init__(self, name):
        self.times = 0
        self.done = threading.Event()

        def function():
            return name

        function.__name__ = f"test_{os.getpid()}_{name}"
        self.compiled = Compiled(function, self._compile)

    def _compile(self, function, cache):
        self.times += 1
        self.done.set()
        return function


@pytest.fixture
def locks():
    folder = compiling._lock_folder()
    yield folder
    for path in folder.glob(f"test_{os.getpid()}_*"):
        path.unlink()


def test_what_another_process_compiles_is_waited_for_last(locks):
    first, second = _Source("first"), _Source("second")
    lock = FileLock(locks / f"{first.compiled.__name__}.lock")
    with lock:  # as another process holds it while it compiles the first
        thread = threading.Thread(target=ready, args=((), [first.compiled, second.compiled]))
        thread.start()
        assert second.done.wait(30)
        assert not first.done.is_set()
    thread.join(30)
    assert (first.times, second.times) == (1, 1)


def test_threads_compile_once(locks):
    source = _Source("shared")
    results = []
    threads = [threading.Thread(target=lambda: results.append(source.compiled())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == ["shared"] * 8
    assert source.times == 1


def test_a_cache_that_was_cut_short_is_compiled_anew(locks, tmp_path, monkeypatch):
    source, spoilt = _Source("spoilt"), tmp_path / "file.function-1.py311.nbi"
    spoilt.write_bytes(b"")
    done = []

    def load(function, cache):
        if cache and spoilt.exists():
            raise EOFError("Ran out of input")
        done.append(cache)
        return function

    source.compiled.function.__qualname__ = "function"
    monkeypatch.setattr(compiling, "cache_folder", lambda: tmp_path)
    Compiled(source.compiled.function, load).make_ready()
    assert not spoilt.exists()
    Compiled(source.compiled.function, load).make_ready()
    assert done == [False, True]


def test_a_full_disk_is_done_without(locks):
    def load(function, cache):
        if cache:
            raise OSError("No space left on device")
        return function

    source = _Source("full")
    assert Compiled(source.compiled.function, load)() == "full"


# A product of two scalars, compiled alone.
DISABLED = """
import numba
from numba import types
from dask_horn.kernels.compile import compiled

@compiled(types.int64(types.int64))
def twice(number):
    return 2 * number

print(twice(21), type(twice.native()).__name__, type(numba.njit(lambda x: x)).__name__)
"""


def test_kernels_compile_also_where_numba_is_told_not_to(tmp_path):
    file = tmp_path / "disabled.py"  # numba caches what a file holds
    file.write_text(DISABLED)
    places = {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-W", "error", file],
        env={**os.environ, **places, "NUMBA_DISABLE_JIT": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert ran.stdout.split() == ["42", "CPUDispatcher", "function"]
