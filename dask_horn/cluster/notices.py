"""The few events of workers that clients hear of, each in the thread of its run."""

from __future__ import annotations

import logging
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from dask_horn.cluster.telling import NOTICES
from dask_horn.records import Event, StoreRetried

if TYPE_CHECKING:
    from distributed import Client

    from dask_horn.cluster.watch import Watch

logger = logging.getLogger("dask_horn")

# A client has one handler of a topic: it serves all runs of the client.
_listening: weakref.WeakKeyDictionary[Client, weakref.WeakSet[Notices]] = (
    weakref.WeakKeyDictionary()
)


class Notices:
    """Collects what Dask's thread hears, for the run's own to tell.

    Parameters
    ----------
    watch : Watch
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._heard: deque[dict[str, Any]] = deque()
        self._told: set[str] = set()

    def subscribe(self) -> None:
        """Listen from now on; again after the scheduler was lost, which forgets who listens."""
        listening = _listening.setdefault(self._watch.client, weakref.WeakSet())
        listening.add(self)

        def hear(event: tuple[float, dict[str, Any]]) -> None:
            for notices in tuple(listening):
                notices._heard.append(event[1])

        self._watch.client.subscribe_topic(NOTICES, hear)

    def tell(self) -> None:
        """Tell what was heard: of each array once, however many workers have told it."""
        while self._heard:
            message = self._heard.popleft()
            if message["kind"] != StoreRetried.kind or message["array"] in self._told:
                continue
            self._told.add(message["array"])
            logger.warning("%s (on %s)", message["message"], message["worker"])
            self._watch.notify_of(Event.from_dict(message))
