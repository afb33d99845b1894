"""Packages that one callback needs and that nothing else does."""

from __future__ import annotations

import importlib
from typing import Any


def needed(module: str, package: str, by: str) -> Any:
    """Import a module of another package.

    Raises
    ------
    ImportError
        If it cannot be imported: what needs it, and what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{by} needs the package {package} ({error}); pip install {package}"
        ) from None
