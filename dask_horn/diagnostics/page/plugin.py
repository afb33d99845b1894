"""The scheduler's side: keeps what it hears of the runs, and adds the page to the dashboard once.

Nothing here is imported on the scheduler, which may have no dask_horn: it comes by value, so this
and all that it refers to imports `distributed` and `bokeh` only.
"""

from __future__ import annotations

import logging
from typing import Any

from distributed.diagnostics.plugin import SchedulerPlugin

from dask_horn.diagnostics.page.documents import PAGE, PLOTS, page_document, plot_document
from dask_horn.diagnostics.page.state import State

NAME = "dask-horn-page"
TOPICS = ("dask-horn", "dask-horn-progress")  #: those of `dask_horn.cluster.telling`
_PROGRESS = "SubmodelProgress"
_PENDING = 500  # records of progress that wait to be taken in, at most

logger = logging.getLogger("dask_horn")


class HornPage(SchedulerPlugin):  # type: ignore[misc]
    """Keeps the records of the newest runs, and shows them.

    Attributes
    ----------
    state : State
        What is known of the runs.
    """

    name = NAME
    idempotent = True  # registering again keeps what the first has heard

    def __init__(self) -> None:
        self._state = State()
        self._pending: list[Any] = []
        self._names: dict[str, str] = {}
        self._scheduler: Any = None
        self._app: Any = None

    def start(self, scheduler: Any) -> None:
        """Take in what has been told before; add the page where there is a dashboard."""
        self._scheduler = scheduler
        for topic in TOPICS:
            self._pending.extend(message for _, message in scheduler.get_events(topic))
        try:
            self._app = _add_page(self, scheduler)
            scheduler.task_metadata[NAME] = True  # the next run's client need not send it again
        except Exception as error:  # a page is not worth a training
            logger.info("no page /%s on the dashboard: %r", PAGE, error)

    def log_event(self, topic: str, msg: Any) -> None:
        """Keep a record for later; every event of every topic comes here, so this is quick."""
        if topic in TOPICS:
            self._pending.append(msg)
            progress = type(msg) is dict and msg.get("kind") == _PROGRESS
            if not progress or len(self._pending) > _PENDING:  # others are few, but may be large
                self._catch_up()

    @property
    def state(self) -> State:
        """What is known of the runs by now."""
        self._catch_up()
        return self._state

    def name_of(self, address: str) -> str:
        """Return what people call a worker, also after it has gone."""
        worker = self._scheduler.workers.get(address)
        if worker is not None:
            self._names[address] = _short(worker.name, address)
        return self._names.get(address, address.rpartition("/")[2])

    def remove(self) -> None:
        """Take the page away again: unregistering a plugin does not do that."""
        if self._app is not None:
            _remove_page(self._scheduler, self._app)
            self._app = None
        self._scheduler.task_metadata.pop(NAME, None)

    def _catch_up(self) -> None:
        pending, self._pending = self._pending, []
        for message in pending:
            self._state.heard(message)


def _short(name: Any, address: str) -> str:
    if isinstance(name, int) or str(name).isdigit():
        return f"worker {name}"
    words = address.rpartition("/")[2] if name == address else str(name)
    return words if len(words) <= 22 else f"{words[:10]}…{words[-10:]}"


def _add_page(plugin: HornPage, scheduler: Any) -> Any:
    """Serve the documents; return their application, or None where there is no dashboard."""
    try:
        from bokeh.server.tornado import BokehTornado
        from distributed.dashboard.core import BokehApplication
        from distributed.dashboard.scheduler import template_variables
        from tornado.ioloop import IOLoop
    except ImportError:  # no bokeh, or one that Dask does not take
        return None
    http: Any = getattr(scheduler, "http_application", None)
    apps = [] if http is None else http.applications
    first: Any = next((app for app in apps if isinstance(app, BokehTornado)), None)
    if first is None:
        return None
    documents = {f"/{PAGE}": page_document(plugin)}
    for path, title, kind in PLOTS:
        documents[f"/{path}"] = plot_document(plugin, title, kind)
    # Kept by Dask for each scheduler, and every page has this very dict: it is changed in place.
    variables = template_variables(scheduler)
    app = BokehApplication(documents, scheduler, prefix=first.prefix, template_variables=variables)
    http.add_application(app)
    app.initialize(IOLoop.current())
    app.start()
    if PAGE not in variables["pages"]:
        variables["pages"].insert(variables["pages"].index("info"), PAGE)
    listed = {plot["url"] for plot in variables["plots"]}
    for path, title, _ in PLOTS:
        if path not in listed:
            variables["plots"].append({"url": path, "name": title})
        # JupyterLab's list is that of the first application.
        first._applications[f"/{path}"] = app._applications[f"/{path}"]
    variables["plots"].sort(key=lambda plot: plot["name"])
    return app


def _remove_page(scheduler: Any, app: Any) -> None:
    from bokeh.server.tornado import BokehTornado
    from distributed.dashboard.scheduler import template_variables

    http, variables = scheduler.http_application, template_variables(scheduler)
    urls = {path for path, _, _ in PLOTS}
    http.applications.remove(app)
    app.stop()
    served: list[Any] = [one for one in http.applications if isinstance(one, BokehTornado)]
    for other in served:
        for url in urls:
            other._applications.pop(f"/{url}", None)
    variables["pages"].remove(PAGE)
    variables["plots"][:] = [plot for plot in variables["plots"] if plot["url"] not in urls]
