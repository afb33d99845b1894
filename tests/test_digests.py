"""Training computes the same bits as when the digests were recorded."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from dask_horn.kernels.compile import target
from tests.digests import RECORD

# One kind of code on every such processor: NumPy's and LLVM's own choices differ among them.
PINNED = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+popcnt,+sse4.2",
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL",
}


@pytest.mark.slow
def test_the_same_bits_as_recorded():
    features = target()[2].split(",")
    if platform.machine() not in ("x86_64", "AMD64") or "+fma" not in features:
        pytest.skip("the digests are of processors with x86's fused multiply-add")
    trained = subprocess.run(
        [sys.executable, "-m", "tests.digests"],
        cwd=Path(__file__).parents[1],
        env=os.environ | (PINNED if "+avx512f" in features else {}),
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(trained.stdout) == json.loads(RECORD.read_text())
