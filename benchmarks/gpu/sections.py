"""The sections, each in a process of its own: one that fails, or takes too long, harms no other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from benchmarks.gpu import checks, many, masks, mnist, single
from benchmarks.gpu.board import Board, Row, read
from benchmarks.gpu.scale import SCALES, TINY, Scale

__all__ = ["FAILED", "SECTIONS", "has_gpu", "run_all", "run_here"]

Section = Callable[[Board, Scale, Path | None], None]


def _check(board: Board, scale: Scale, folder: Path | None) -> None:
    checks.setting(board)
    checks.right(board, scale)
    checks.repeatable(board, scale)


#: What each measures, and how many seconds it may take at most.
SECTIONS: dict[str, tuple[Section, float]] = {
    "checks": (_check, 100),
    "many": (lambda board, scale, _: many.equal(board, scale), 130),
    "unequal": (lambda board, scale, _: many.unequal(board, scale), 80),
    "single": (lambda board, scale, _: single.networks(board, scale), 90),
    "masks": (lambda board, scale, _: masks.dropconnect(board, scale), 40),
    "mnist": (mnist.trainings, 120),
}


def has_gpu() -> bool:
    """Tell whether there is a GPU here, without touching it."""
    command = shutil.which("nvidia-smi")
    return (
        command is not None and not subprocess.run([command, "-L"], capture_output=True).returncode
    )


def run_all(names: Sequence[str], scale: Scale, folder: Path | None, to: Path | None) -> list[Row]:
    """Run sections one after the other, and keep all rows in a JSON file as they come."""
    began, rows = time.perf_counter(), []
    for name in names:
        left = scale.seconds - (time.perf_counter() - began)
        limit = left if scale is TINY else min(SECTIONS[name][1], left)
        click.secho(f"\n{name}", bold=True)
        found, whole = _apart(name, scale, folder, limit)
        rows += found
        left = scale.seconds - (time.perf_counter() - began)
        if not whole and name not in ("checks", "mnist"):
            click.echo("once more, without ours")
            rows += _apart(name, scale, folder, min(SECTIONS[name][1], left), without_ours=True)[0]
        if to is not None:
            to.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    click.echo(f"\n{time.perf_counter() - began:.0f} s")
    return rows


def _apart(
    name: str, scale: Scale, folder: Path | None, limit: float, *, without_ours: bool = False
) -> tuple[list[Row], bool]:
    """Run a section in a process of its own; return what it found, and whether nothing failed."""
    if limit < 5:
        return [_said(name, f"no time was left of {scale.seconds:.0f} s")], True
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "rows"
        command = [sys.executable, "-m", "benchmarks.gpu", "--scale", scale.name, "--here", name]
        command += ["--into", str(file)] + (["--data", str(folder)] if folder else [])
        command += ["--without-ours"] if without_ours else []
        ended, whole = "", True
        try:
            done = subprocess.run(command, env=_environment(scale), timeout=limit, check=False)
            whole = done.returncode == 0
            if done.returncode not in (0, FAILED):
                ended = f"the process ended with {done.returncode}"
        except subprocess.TimeoutExpired:
            ended = f"cut off after {limit:.0f} s"
        return read(file) + ([_said(name, ended)] if ended else []), whole


def _said(name: str, why: str) -> Row:
    row = Row(name, "the rest of the section", None, note=why)
    click.echo(str(row))
    return row


def _environment(scale: Scale) -> dict[str, str]:
    """Return what processes find: JAX takes memory as it needs it, and tiny ones may simulate."""
    variables = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false", "PYTHONUNBUFFERED": "1"}
    if scale is TINY and not has_gpu():
        variables |= {"NUMBA_ENABLE_CUDASIM": "1", "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"}
    return variables


def run_here(
    name: str,
    scale_name: str,
    folder: Path | None,
    into: Path | None,
    *,
    without_ours: bool = False,
) -> bool:
    """Run one section in this process; return whether it came to its end."""
    board = Board(name, into, without_ours=without_ours)
    try:
        SECTIONS[name][0](board, SCALES[scale_name], folder)
    except Exception as error:
        traceback.print_exc(limit=-6)
        board.missing("the rest of the section", error)
        return False
    return True


#: How a process ends that has said what went wrong.
FAILED = 3
