"""``python -m dask_horn`` is the command ``dask-horn``."""

from __future__ import annotations

from dask_horn.cli import main

if __name__ == "__main__":  # worker processes import this file too
    main(prog_name="dask-horn")
