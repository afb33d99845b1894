"""Bringing the page `/horn` to the dashboard, while a training goes on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import dask

from dask_horn.cluster.watch import begun

if TYPE_CHECKING:
    from distributed import Client

SETTING = "dask_horn.dashboard-page"  #: of Dask's configuration: false trains without the page

logger = logging.getLogger("dask_horn")


def begin_to_show(client: Client) -> None:
    """Have the scheduler show the page, if it is to; nobody waits for that, and it may fail.

    What is told before the page is there it takes from the scheduler's topics.
    """
    if dask.config.get(SETTING, True):
        begun(lambda: _show(client))


def _show(client: Client) -> None:
    try:
        from dask_horn.diagnostics.page import NAME, PageByValue

        # Only a cluster's first run pays for sending it.
        if not client.get_metadata([NAME], False):
            client.register_plugin(PageByValue())
    except Exception as error:  # whatever it is, the training does without
        logger.info("no page /horn on the dashboard: %r", error)
