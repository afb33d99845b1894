"""Every kernel compiles for GPUs that are not there, and as it is meant to."""

from __future__ import annotations

import re
import shutil
import subprocess

import numba
import pytest

pytest.importorskip("numba_cuda")

from dask_horn.kernels.cuda import driver
from dask_horn.kernels.cuda.compile import KERNELS

# Where float64 is meant: sums of losses and of squares, a step's numbers, the exact probability of
# dropout, and samples that float32 has not the digits of.
FLOAT64 = re.compile(
    r"advance|clip:.*|(adamw|sgd)_numbers|dropout_.*|gather_(u?int(32|64)|float64)"
)
NEW, OLD = (9, 0), (8, 0)

# Of the older one those that need most registers, one of each kind: what fills it fills both.
ON_OLD_TOO = re.compile(r"gemm_(forward|input|weight|weight_sgd):\w+|dropconnect_\w+|cross_entropy")
CASES = [(name, NEW) for name in KERNELS]
CASES += [(name, OLD) for name in KERNELS if ON_OLD_TOO.fullmatch(name)]

pytestmark = pytest.mark.skipif(
    bool(numba.config.ENABLE_CUDASIM), reason="the simulator compiles nothing"
)


@pytest.fixture(scope="module", autouse=True)
def compiler():
    try:
        driver.to_ptx(lambda: None, "void()", OLD)
    except Exception as error:
        pytest.skip(f"no CUDA compiler: {error}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "capability"),
    CASES,
    ids=[f"{name}-sm_{major}{minor}" for name, (major, minor) in CASES],
)
def test_a_kernel_keeps_to_registers_and_float32(name, capability, tmp_path):
    kernel = KERNELS[name]
    ptx = driver.to_ptx(kernel.function, kernel.signature, capability)
    assert ".local" not in ptx
    assert FLOAT64.fullmatch(name) or ".f64" not in ptx
    registers, spilled = _assembled(ptx, capability, tmp_path)
    assert spilled == 0
    # A multiprocessor has 65,536 registers: two blocks of each kernel, so that one hides the
    # other's waiting.
    assert 2 * kernel.n_threads * registers <= 65_536


def _assembled(ptx, capability, folder):
    """Registers of a thread, and bytes that did not fit into them, where `ptxas` can tell."""
    assembler = shutil.which("ptxas")
    if assembler is None:
        return 0, 0
    source = folder / "kernel.ptx"
    source.write_text(ptx)
    target = f"-arch=sm_{capability[0]}{capability[1]}"
    command = [assembler, "-v", target, str(source), "-o", str(folder / "kernel.cubin")]
    done = subprocess.run(command, capture_output=True, text=True)
    if "Unsupported .version" in done.stderr:  # an assembler that is older than the compiler
        return 0, 0
    assert done.returncode == 0, done.stderr
    registers = re.search(r"Used (\d+) registers", done.stderr)
    spilled = re.search(r"(\d+) bytes spill stores", done.stderr)
    return int(registers[1]), int(spilled[1])
