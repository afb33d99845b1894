"""Pieces of HTML that all forms for notebooks are made of: one look, light and dark.

Text colours, lines and shades follow the page's own text colour, so that they suit every theme.
Where a notebook is not trusted, its viewer drops the style sheet: plain tables are left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_LINE = "color-mix(in srgb, currentColor 25%, transparent)"
_SHADE = "color-mix(in srgb, currentColor 7%, transparent)"

# Selectors begin with two classes: JupyterLab's own rules for tables name one and an element.
_STYLE = f"""
.horn {{ font-family: var(--jp-ui-font-family, system-ui, sans-serif);
  font-size: var(--jp-ui-font-size1, 13px); line-height: 1.45; max-width: 66em; }}
.horn .horn-card {{ border: 1px solid {_LINE}; border-radius: 6px; margin: 0.3em 0;
  padding: 0.5em 0.9em; }}
.horn .horn-card .horn-card {{ border: none; padding: 0.2em 0; }}
.horn .horn-head {{ display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 1.1em; }}
.horn .horn-kind {{ font-size: 1.1em; font-weight: 600; }}
.horn .horn-muted {{ opacity: 0.7; }}
.horn .horn-code {{ font-family: var(--jp-code-font-family, ui-monospace, monospace);
  font-size: 0.95em; }}
.horn .horn-scroll {{ max-height: 25em; overflow: auto; }}
.horn .horn-list {{ columns: 17em; margin: 0.3em 0 0.3em 1.1em; }}
.horn .horn-side {{ display: flex; flex-wrap: wrap; gap: 0.2em 2em; margin: 0.4em 0; }}
.horn details {{ margin: 0.25em 0; }}
.horn summary {{ cursor: pointer; }}
.horn table.horn-table {{ border: none; border-collapse: collapse; font-size: inherit;
  margin: 0.4em 0; table-layout: auto; }}
.horn table.horn-table tr, .horn table.horn-table tbody tr:nth-child(n) {{ background: none; }}
.horn table.horn-table :is(th, td) {{ border: none; max-width: none;
  padding: 0.15em 0.9em 0.15em 0; text-align: left; vertical-align: baseline; }}
.horn table.horn-table th {{ font-weight: 600; }}
.horn table.horn-table thead th {{ border-bottom: 1px solid {_LINE}; vertical-align: bottom;
  white-space: pre; }}
.horn table.horn-table .horn-number {{ font-variant-numeric: tabular-nums; text-align: right; }}
.horn table.horn-table td.horn-number {{ white-space: nowrap; }}
.horn table.horn-table :is(th, td):last-child {{ padding-right: 0.4em; }}
.horn table.horn-table tbody tr.horn-total td {{ border-top: 1px solid {_LINE}; }}
.horn table.horn-table tbody tr.horn-best:nth-child(n) {{ background: {_SHADE}; font-weight: 600; }}
.horn .horn-label {{ background: {_SHADE}; border-radius: 4px; display: inline-block;
  margin: 0 0.4em 0.2em 0; max-width: 20em; overflow: hidden; padding: 0 0.5em;
  text-overflow: ellipsis; vertical-align: bottom; white-space: nowrap; }}
.horn .horn-swatch {{ border-radius: 2px; display: inline-block; height: 0.8em; width: 0.8em;
  margin-right: 0.3em; vertical-align: baseline; }}
.horn .horn-bar {{ border-radius: 3px; display: flex; height: 1.5em; overflow: hidden; }}
.horn .horn-bar > div {{ font-size: 0.9em; line-height: 1.65em; overflow: hidden;
  text-align: center; }}
.horn svg {{ display: block; max-width: 100%; }}
"""


class Html(str):
    """Text that is HTML already; all other text is escaped where it is put into HTML."""

    __slots__ = ()


def escaped(text: str) -> Html:
    """Return text as HTML, unless it is HTML already.

    Examples
    --------
    >>> escaped("1 < 2"), escaped(Html("<b>2</b>"))
    ('1 &lt; 2', '<b>2</b>')
    """
    return text if isinstance(text, Html) else Html(escape(str(text)))


def joined(parts: Iterable[str], between: str = "") -> Html:
    """Return parts one after the other, each escaped unless it is HTML."""
    return Html(escaped(between).join(map(escaped, parts)))


def tag(name: str, *children: str, css: str = "", style: str = "") -> Html:
    """Return an element around its children, which are escaped unless they are HTML.

    Examples
    --------
    >>> tag("b", "<script>", css="horn-label")
    '<b class="horn-label">&lt;script&gt;</b>'
    """
    attributes = f' class="{escape(css)}"' if css else ""
    attributes += f' style="{escape(style)}"' if style else ""
    return Html(f"<{name}{attributes}>{joined(children)}</{name}>")


def muted(*children: str) -> Html:
    """Return text that matters less."""
    return tag("span", *children, css="horn-muted")


def code(text: str) -> Html:
    """Return text as Python."""
    return tag("span", text, css="horn-code")


def card(kind: str, facts: Sequence[str], *body: str) -> Html:
    """Return what is shown of an object: its class, facts beside that, and what is below."""
    facts = [muted(fact) for fact in facts]
    head = tag("div", tag("span", kind, css="horn-kind"), *facts, css="horn-head")
    return tag("div", head, *body, css="horn-card")


def fold(summary: str, *body: str, opened: bool = False) -> Html:
    """Return what is hidden below its summary until somebody asks for it."""
    inside = tag("summary", summary) + joined(body)
    return Html(f"<details{' open' if opened else ''}>{inside}</details>")


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    n_texts: int = 1,
    row_css: Sequence[str] = (),
) -> Html:
    """Return a table.

    Parameters
    ----------
    headings : sequence of str
        None for a table without.
    rows : iterable of sequence of str
    n_texts : int, default 1
        Columns of text; those after them are numbers, flush right.
    row_css : sequence of str
        The class of each of the first rows; empty for none.
    """

    def cells(name: str, row: Sequence[str]) -> Iterable[Html]:
        return (
            tag(name, cell, css="" if i < n_texts else "horn-number") for i, cell in enumerate(row)
        )

    rows = list(rows)
    classes = [*row_css, *[""] * (len(rows) - len(row_css))]
    head = tag("thead", tag("tr", *cells("th", headings))) if headings else Html()
    body = (tag("tr", *cells("td", row), css=css) for row, css in zip(rows, classes, strict=True))
    return tag("table", head, tag("tbody", *body), css="horn-table")


def pairs(rows: Iterable[tuple[str, str]]) -> Html:
    """Return names, and what is to be said of each beside it."""
    return table((), [(muted(name), what) for name, what in rows], n_texts=2)


def scrolling(*children: str) -> Html:
    """Return what scrolls within itself where there is too much of it."""
    return tag("div", *children, css="horn-scroll")


def shown(*children: str) -> str:
    """Return the whole that a notebook shows, with the style sheet."""
    return str(tag("div", tag("style", Html(_STYLE)), *children, css="horn"))
