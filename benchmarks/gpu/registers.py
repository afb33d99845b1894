"""What each CUDA kernel takes of a GPU's registers and memory, as `ptxas` tells: no GPU is needed.

    python -m benchmarks.gpu.registers [--capability 90]

Needs numba-cuda with a CUDA compiler, and `ptxas` on the PATH (package nvidia-cuda-nvcc).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

from benchmarks.operations import cuda_kernels


def assembled(ptx: str, capability: str) -> tuple[int, int, int]:
    """Return registers of a thread, spilled bytes, and bytes of shared memory of a block."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(ptx)
        command = ["ptxas", "-v", f"-arch=sm_{capability}", source, "-o", source.with_suffix(".o")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)

    def number(pattern: str) -> int:
        found = re.search(pattern, done.stderr)
        return int(found[1]) if found else 0

    return (
        number(r"Used (\d+) registers"),
        number(r"(\d+) bytes spill stores"),
        number(r"(\d+) bytes smem"),
    )


def main() -> None:
    """Print a row for each kernel."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--capability", default="90", help="80 for an A100, 90 for an H100")
    capability = parser.parse_args().capability
    print(f"sm_{capability}")
    print("| kernel | threads | registers | spilled bytes | shared bytes | float64 |")
    print("|---|---|---|---|---|---|")
    for name, n_threads, ptx in cuda_kernels((int(capability[:-1]), int(capability[-1]))):
        registers, spilled, shared = assembled(ptx, capability)
        n_float64 = ptx.count(".f64")
        row = (name, n_threads, registers, spilled, shared, n_float64)
        print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
