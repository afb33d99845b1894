"""What was measured, where, and with what: sections of RESULTS.md, each kept by its name."""

from __future__ import annotations

import datetime
import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import scipy.linalg.cython_blas  # noqa: F401  (loads the BLAS that is compared with)
from threadpoolctl import threadpool_info

RESULTS = Path(__file__).parent / "RESULTS.md"
_PACKAGES = ("dask-horn", "numpy", "scipy", "numba", "dask", "zarr", "scikit-learn", "torch")


def setting(command: str) -> str:
    """One paragraph: machine, versions, BLAS, command, date."""
    core_type = os.environ.get("OPENBLAS_CORETYPE", "unset")
    versions = ", ".join(filter(None, map(_version, _PACKAGES)))
    return (
        f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}; "
        f"BLAS kernels {'/'.join(blas_kernels())} (OPENBLAS_CORETYPE {core_type}); "
        f"{datetime.date.today()}; `{command}`"
    )


def blas_kernels() -> list[str]:
    """What BLAS has chosen its kernels for, in this process."""
    return sorted({info["architecture"] for info in threadpool_info() if "architecture" in info})


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write_section(name: str, title: str, body: str, results: Path = RESULTS) -> None:
    """Replace the section called `name` in the file of results, or append it."""
    section = f"<!-- {name} -->\n## {title}\n\n{body.strip()}\n<!-- /{name} -->"
    text = results.read_text() if results.exists() else "# Results\n"
    pattern = re.compile(rf"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: section, text)
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(text)


def _version(name: str) -> str:
    """Name and version of a package; nothing where it is not installed."""
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return ""


def processor() -> str:
    """The processor's name, and whether it has AVX-512."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"model name\s*: (.*)", text)
    name = found.group(1) if found else platform.machine()
    return f"{name}{' (AVX-512)' if 'avx512f' in text else ''}"
