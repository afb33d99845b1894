"""How the page looks: figures of one style, light and dark, and the page's own style sheet.

Dask's own pages are light. This one is dark where the reader's system is, or as the address says
(``?theme=dark``, ``?theme=light``); the browser decides, for a server cannot know.
"""

from __future__ import annotations

from typing import Any

from bokeh.models import CustomJS, CustomJSTickFormatter
from bokeh.plotting import figure

INK, FAINT, GRID = "#24292f", "#656d76", "#e4e7eb"  # of light pages; `_DARKEN` has the dark ones
FONT = "Helvetica, Arial, sans-serif"

#: Chooses the theme before anything is drawn.
CHOOSE = """
(() => {
  const asked = new URLSearchParams(location.search).get("theme")
  const system = matchMedia("(prefers-color-scheme: dark)")
  const choose = () => {
    const dark = asked ? asked === "dark" : system.matches
    document.documentElement.dataset.horn = dark ? "dark" : "light"
    document.dispatchEvent(new Event("horn-theme"))
  }
  choose()
  system.addEventListener("change", choose)
})()
"""

_PAINT = """
const paint = () => {
  const dark = document.documentElement.dataset.horn === "dark"
  const ink = dark ? "#e6edf3" : "#24292f", faint = dark ? "#9198a1" : "#656d76"
  const grid = dark ? "#2f353d" : "#e4e7eb", ground = dark ? "#161b22" : "#ffffff"
  const quietly = {sync: false}
  for (const f of figures) {
    if (f.title != null) f.title.setv({text_color: ink}, quietly)
    for (const one of [...f.left, ...f.right, ...f.above, ...f.below, ...f.center]) {
      if (/Axis$/.test(one.type)) one.setv({
        major_label_text_color: faint, axis_label_text_color: faint,
        axis_line_color: grid, major_tick_line_color: grid}, quietly)
      else if (one.type === "Grid") one.setv({grid_line_color: grid}, quietly)
      else if (one.type === "Legend") one.setv({label_text_color: ink}, quietly)
      else if (one.type === "Label") one.setv({text_color: ink}, quietly)
    }
    for (const r of f.renderers) {
      for (const glyph of [r.glyph, r.nonselection_glyph, r.hover_glyph]) {
        if (glyph == null || typeof glyph === "string") continue
        if (glyph.tags.includes("ink")) glyph.setv({text_color: ink}, quietly)
        if (glyph.tags.includes("ground")) glyph.setv({line_color: ground}, quietly)
      }
    }
  }
}
paint()
document.addEventListener("horn-theme", paint)
"""

_SPAN = """
const s = Math.round(Math.abs(tick) * 10) / 10, two = n => String(Math.floor(n)).padStart(2, "0")
const sign = tick < 0 ? "-" : ""
if (s < 120) return sign + s + " s"
if (s < 3600) return sign + Math.floor(s / 60) + ":" + two(s % 60)
return sign + Math.floor(s / 3600) + ":" + two(s % 3600 / 60) + ":" + two(s % 60)
"""

_BYTES = """
let n = tick, i = 0
while (n >= 1000 && i < 5) { n /= 1000; i += 1 }
return Number(n.toPrecision(3)) + " " + ["B", "kB", "MB", "GB", "TB", "PB"][i]
"""


def plot(title: str | None, tools: str = "", **settings: Any) -> Any:
    """Make a figure in the page's style; `settings` are Bokeh's."""
    fig: Any = figure(
        title=title,
        tools=tools,
        toolbar_location=None,
        sizing_mode="stretch_both",
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border=4,
        **settings,
    )
    if title is not None:
        fig.title.text_font_size = "14px"
        fig.title.text_color = INK
    for axis in fig.axis:
        axis.major_label_text_color = FAINT
        axis.axis_label_text_color = FAINT
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "12px"
        axis.major_label_text_font_size = "11px"
        axis.axis_line_color = GRID
        axis.major_tick_line_color = GRID
        axis.minor_tick_line_color = None
        axis.axis_label_standoff = 4
    for axis in (fig.xaxis, fig.yaxis):
        axis.major_tick_in = 0
        axis.major_tick_out = 4
    fig.grid.grid_line_color = GRID
    return fig


def spans() -> CustomJSTickFormatter:
    """Write ticks as lengths of time."""
    return CustomJSTickFormatter(code=_SPAN)


def sizes() -> CustomJSTickFormatter:
    """Write ticks as numbers of bytes."""
    return CustomJSTickFormatter(code=_BYTES)


def paint(document: Any, figures: list[Any]) -> None:
    """Have the figures follow the theme."""
    document.js_on_event("document_ready", CustomJS(args={"figures": figures}, code=_PAINT))


#: Of the whole page and, where they apply, of single plots.
STYLE = """
:root { --ink: #24292f; --faint: #656d76; --line: #d8dee4; --card: #ffffff; --page: #f6f8fa;
        --good: #1a7f37; --busy: #0072B2; --warn: #9a6700; --bad: #b3261e; --track: #e4e7eb; }
:root[data-horn=dark] { --ink: #e6edf3; --faint: #9198a1; --line: #30363d; --card: #161b22;
        --page: #0d1117; --good: #238636; --busy: #1f6feb; --warn: #9e6a03; --bad: #da3633;
        --track: #2f353d; color-scheme: dark; }
html, body { background: var(--page); color: var(--ink); }
"""

NAVBAR_IN_THE_DARK = """
[data-horn=dark] .navbar ul, [data-horn=dark] .dropdown-content { background-color: #21262d; }
[data-horn=dark] .navbar li a { color: #e6edf3; }
[data-horn=dark] .navbar li:hover a { color: #24292f; }
"""
