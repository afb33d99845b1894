"""Telling what happens to whoever listens in this process: a Dask worker passes it on."""

from __future__ import annotations

from collections.abc import Callable

from dask_horn.records.events import Event

Teller = Callable[[Event], None]

_teller: Teller | None = None


def tell(event: Event) -> None:
    """Tell an event to whoever listens here; nothing happens where nobody does."""
    if _teller is not None:
        _teller(event)


def set_teller(teller: Teller | None) -> None:
    """Have all that is told in this process passed to a function, or to nobody."""
    global _teller
    _teller = teller
