"""The file in which a Dask scheduler tells its address, and how it is waited for."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

_PATIENCE = 120.0  # seconds until the file is given up
_WORD_AFTER = 5.0  # seconds until it is said that it is waited for
_PAUSE = 0.2  # seconds between two looks


def address_of(scheduler: str) -> str:
    """Return the address of a scheduler, named by it or by the path of its file.

    `dask scheduler --scheduler-file` writes the file when it is up. Until then there is none, or
    one that is still empty.

    Raises
    ------
    FileNotFoundError
        If no scheduler has written the file after two minutes.
    ValueError
        If the file is another one.
    """
    if "://" in scheduler or not scheduler.endswith(".json"):
        return scheduler
    begin, told = time.monotonic(), False
    while (found := _read(scheduler)) is None:
        waited = time.monotonic() - begin
        if waited > _PATIENCE:
            raise FileNotFoundError(
                f"--scheduler {scheduler}: no scheduler has written its address there in "
                f"{waited:.0f} seconds; start one with `dask scheduler --scheduler-file "
                f"{scheduler}`, on a file system that both see"
            )
        if waited > _WORD_AFTER and not told:
            click.echo(f"Waiting for a scheduler to write {scheduler} …", err=True)
            told = True
        time.sleep(_PAUSE)
    return found


def _read(path: str) -> str | None:
    """Return the address in a scheduler file; None where it is not there or not whole."""
    try:
        content = json.loads(Path(path).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("address"), str):
        raise ValueError(
            f"--scheduler {path} must be an address or a file that `dask scheduler "
            "--scheduler-file` has written, and there is no address in it"
        )
    return str(content["address"])
