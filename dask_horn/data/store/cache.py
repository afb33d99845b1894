"""A cache of arrays that is bounded in bytes and safe for threads.

It forgets what was used least recently. Two threads that ask for the same array wait for one
loading of it. It does not know what the arrays are.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any

from numpy.typing import NDArray

_Key = tuple[Hashable, ...]


class ArrayCache:
    """Arrays by key, the least recently used forgotten first.

    Parameters
    ----------
    max_bytes : int
        Bytes of arrays to keep at most. What a caller still uses lives on outside.

    Examples
    --------
    >>> import numpy as np
    >>> cache = ArrayCache(max_bytes=1000)
    >>> _ = cache.get(("run", 0), lambda: np.zeros(100))
    >>> cache.n_bytes
    800
    >>> cache.forget("run")
    >>> cache.n_bytes
    0
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[_Key, Future[NDArray[Any]]] = OrderedDict()
        self._n_bytes = 0

    @property
    def n_bytes(self) -> int:
        """Bytes of the arrays that are kept."""
        return self._n_bytes

    def get(self, key: _Key, load: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return the array of a key, loading it if it is not there.

        Parameters
        ----------
        key : tuple of hashable
            The array's key; `forget` takes its first item.
        load : callable
            Makes the array. What it raises reaches everyone who waits, and is not kept.

        Returns
        -------
        numpy.ndarray
            The array, read-only since others have it too.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
            else:
                mine = self._entries[key] = Future()
        if entry is not None:
            return entry.result()
        try:
            array = load()
        except BaseException as error:
            with self._lock:
                if self._entries.get(key) is mine:
                    del self._entries[key]
            mine.set_exception(error)
            raise
        array.setflags(write=False)
        with self._lock:
            # Done and counted at once: whoever drops an entry that is done takes off its bytes.
            mine.set_result(array)
            # While it was loading the run may have been forgotten.
            if self._entries.get(key) is mine:
                self._n_bytes += array.nbytes
                self._make_room()
        return array

    def forget(self, first: Hashable) -> None:
        """Forget all arrays whose key begins with ``first``."""
        with self._lock:
            for key in [key for key in self._entries if key[0] == first]:
                self._drop(key)

    def _make_room(self) -> None:
        done = (key for key, entry in list(self._entries.items()) if entry.done())
        while self._n_bytes > self.max_bytes:
            self._drop(next(done))

    def _drop(self, key: _Key) -> None:
        entry = self._entries.pop(key)
        if entry.done():
            self._n_bytes -= entry.result().nbytes
