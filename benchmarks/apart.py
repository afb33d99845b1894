"""A function in a fresh process: with its own environment, and with nothing loaded before."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["HASWELL", "UNSET", "each_apart", "keep_to_one_core", "run_apart"]

#: The environments that decide which instructions BLAS uses: what a user gets, and AVX2 for all.
UNSET: Mapping[str, str | None] = {
    "OPENBLAS_CORETYPE": None,
    "OPENBLAS_L2_SIZE": None,
    "MKL_ENABLE_INSTRUCTIONS": None,
    "ATEN_CPU_CAPABILITY": None,
    "ONEDNN_MAX_CPU_ISA": None,
    "NUMBA_CPU_NAME": None,
    "NUMBA_CPU_FEATURES": None,
}
HASWELL: Mapping[str, str | None] = {
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_L2_SIZE": None,
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+popcnt,+sse4.2",
}
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_MARK = "result: "


def run_apart(
    function: str,
    settings: Mapping[str, Any],
    environment: Mapping[str, str | None] = UNSET,
    threads: int = 1,
) -> Any:
    """Call ``module:function(settings)`` in a process of its own; return its plain values.

    `environment` sets variables, or unsets those that are None; `threads` are BLAS' and OpenMP's.
    """
    *_, last = each_apart(function, settings, environment, threads)
    return last


def each_apart(
    function: str,
    settings: Mapping[str, Any],
    environment: Mapping[str, str | None] = UNSET,
    threads: int = 1,
) -> Iterator[Any]:
    """Likewise for a generator: yield each of its plain values as soon as it is there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.apart", function],
        env=_variables(environment, threads),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    printed, n_results = "", 0
    with process:
        process.stdin.write(json.dumps(settings))
        process.stdin.close()
        for line in process.stdout:
            if line.startswith(_MARK):
                n_results += 1
                yield json.loads(line.removeprefix(_MARK))
            else:
                printed = (printed + line)[-500:]
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    if not n_results:
        raise RuntimeError(f"{function} returned nothing; it printed {printed!r}")


def _variables(environment: Mapping[str, str | None], threads: int) -> dict[str, str]:
    variables = {**os.environ, **dict.fromkeys(_THREADS, str(threads))}
    for name, value in environment.items():
        variables.pop(name, None)
        if value is not None:
            variables[name] = value
    return variables


def keep_to_one_core() -> None:
    """Pin this process, and all threads that it starts, to one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def main() -> None:
    """Do what `run_apart` or `each_apart` asks for."""
    module, name = sys.argv[1].split(":")
    result = getattr(importlib.import_module(module), name)(json.loads(sys.stdin.read()))
    for one in result if isinstance(result, Iterator) else (result,):
        print(f"\n{_MARK}{json.dumps(one)}", flush=True)


if __name__ == "__main__":
    main()
