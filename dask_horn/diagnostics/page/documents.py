"""The documents that the dashboard serves: the page `/horn`, and single plots of it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from time import time
from typing import Any

from dask_horn.diagnostics.colours import BEST, LOSS, MERGE, QUIET, SCORE
from dask_horn.diagnostics.page.header import About, Choice, Header
from dask_horn.diagnostics.page.look import CHOOSE, NAVBAR_IN_THE_DARK, STYLE, paint
from dask_horn.diagnostics.page.plots import LossPlot, MapPlot, TimelinePlot, TrafficPlot

PAGE = "horn"  #: its path, and what the navigation bar calls it
_EVERY = 500  # milliseconds between two looks for news
_IDLE = 2  # looks without news until those are drawn that change with time alone

#: Path, name in lists of plots, and what is drawn.
PLOTS: tuple[tuple[str, str, Any], ...] = (
    ("individual-horn-loss", "Horn Loss", LossPlot),
    ("individual-horn-map", "Horn Map", MapPlot),
    ("individual-horn-timeline", "Horn Timeline", TimelinePlot),
    ("individual-horn-traffic", "Horn Traffic", TrafficPlot),
)

_TEMPLATE = (
    """
{% extends "base.html" %}
{% from macros import embed %}
{% block extra_resources %}
<script>"""
    + CHOOSE
    + "</script>\n<style>"
    + STYLE
    + NAVBAR_IN_THE_DARK
    + """
body { padding: 3.5rem 12px 12px; }
.content { height: auto; max-width: 1800px; margin: 0 auto; }
.horn { display: grid; gap: 10px; grid-template-columns: minmax(0, 7fr) minmax(0, 5fr); }
.horn > section { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 8px 12px; min-width: 0; box-sizing: border-box; }
.horn h2 { font-size: 14px; margin: 0; display: flex; flex-wrap: wrap; gap: 2px 14px;
  align-items: baseline; }
.horn h2 span { font-size: 12px; font-weight: normal; color: var(--faint); }
.horn h2 i { display: inline-block; width: 9px; height: 9px; border-radius: 2px;
  margin-right: 5px; }
.wide { grid-column: 1 / -1; position: relative; }
.choice { position: absolute; right: 12px; top: 8px; z-index: 1; }
.drawn { height: clamp(220px, calc(50vh - 162px), 420px); }
@media (max-width: 1000px) {
  .horn { grid-template-columns: minmax(0, 1fr); }
  .drawn { height: 240px; }
  .choice { position: static; margin-bottom: 6px; }
}
</style>
{% endblock %}
{% block content %}
<div class="horn">
<section class="wide"><div class="choice">{{ embed(roots.choice) }}</div>
  {{ embed(roots.header) }}</section>
<section><h2>Loss and score <span><i style="background: LOSS"></i>training loss, and of each
  group</span><span><i style="background: SCORE"></i>score</span>
  <span><i style="background: BEST"></i>best round</span></h2>
  <div class="drawn">{{ embed(roots.loss_plot) }}</div></section>
<section><h2>Division <span>area: units; filled: trained in this round; colour: worker</span></h2>
  <div class="drawn">{{ embed(roots.map_plot) }}</div></section>
<section><h2>Workers <span><i style="background: LOSS"></i>training</span>
  <span><i style="background: MERGE"></i>merge</span>
  <span><i style="background: SCORE"></i>scoring</span></h2>
  <div class="drawn">{{ embed(roots.timeline_plot) }}</div></section>
<section><h2>Traffic between workers <span><i style="background: LOSS"></i>moved</span>
  <span><i style="background: QUIET"></i>data-parallel training would have moved</span></h2>
  <div class="drawn">{{ embed(roots.traffic_plot) }}</div></section>
<section class="wide">{{ embed(roots.about) }}</section>
</div>
{{ plot_script }}
{% endblock %}
"""
)

_SINGLE = (
    """
{% extends base %}
{% block postamble %}
<script>"""
    + CHOOSE
    + "</script>\n<style>"
    + STYLE
    + """
html, body { background: var(--card); }
</style>
{% endblock %}
"""
)


class Views:
    """What one reader sees: looks for news, and draws it.

    Parameters
    ----------
    plugin : HornPage
        Has the state.
    views : sequence
        Each is drawn.
    choice : Choice, optional
        Tells of which run; the newest without one.
    """

    def __init__(self, plugin: Any, views: list[Any], choice: Choice | None = None) -> None:
        self._plugin = plugin
        self._views = views
        self._choice = choice
        self._seen: Any = None
        self._looks = 0

    def update(self) -> None:
        """Draw, if there is news or time has passed."""
        state = self._plugin.state
        chosen = None if self._choice is None else self._choice.root.value
        seen = state.version, chosen
        self._looks += 1
        if seen == self._seen and self._looks < _IDLE:
            return
        self._seen, self._looks = seen, 0
        now = time()
        if self._choice is not None:
            self._choice.update(state, now)
        run = state.newest if self._choice is None else self._choice.run(state)
        for view in self._views:
            view.update(run, now, self._plugin.name_of)


def page_document(plugin: Any) -> Callable[..., None]:
    """Return what fills a document with the whole page."""

    def fill(scheduler: Any, extra: dict[str, Any], doc: Any) -> None:
        from distributed.dashboard.components.scheduler import BOKEH_THEME, env

        choice = Choice()
        plots: dict[str, Any] = {"loss": LossPlot(), "map": MapPlot(), "timeline": TimelinePlot(),
                 "traffic": TrafficPlot()}  # fmt: skip
        header, about = Header(), About()
        views = Views(plugin, [header, *plots.values(), about], choice)
        for name, one in plots.items():
            one.root.name = f"{name}_plot"
            doc.add_root(one.root)
        for root in (choice.root, header.root, about.root):
            doc.add_root(root)
        doc.title = "Dask: Horn"
        doc.template = env.from_string(_coloured(_TEMPLATE))
        doc.template_variables.update(extra)
        doc.theme = BOKEH_THEME
        _keep_up(doc, views, [fig for one in plots.values() for fig in one.figures])

    return fill


def plot_document(plugin: Any, title: str, kind: Any) -> Callable[..., None]:
    """Return what fills a document with one plot, for JupyterLab's list of plots."""

    def fill(scheduler: Any, extra: dict[str, Any], doc: Any) -> None:
        from distributed.dashboard.components.scheduler import BOKEH_THEME, env

        one = kind(title)
        doc.title = f"Dask: {title}"
        doc.template = env.from_string(_SINGLE)
        doc.theme = BOKEH_THEME
        doc.add_root(one.root)
        _keep_up(doc, Views(plugin, [one]), one.figures)

    return fill


def _coloured(template: str) -> str:
    for name, colour in (
        ("LOSS", LOSS), ("SCORE", SCORE), ("BEST", BEST), ("MERGE", MERGE), ("QUIET", QUIET),
    ):  # fmt: skip
        template = template.replace(f"background: {name}", f"background: {colour}")
    return template


def _keep_up(doc: Any, views: Views, figures: list[Any]) -> None:
    """Draw now and then, for as long as somebody looks."""
    views.update()
    paint(doc, figures)
    doc.horn_views = views  # held by the document alone: a callback that held it would be a circle
    seen = weakref.ref(views)

    def look() -> None:
        held = seen()
        if held is not None:
            held.update()

    doc.add_periodic_callback(look, _EVERY)
