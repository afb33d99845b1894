"""The page's header: what a run is doing, its figures, its network, settings and data."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import Any

from bokeh.models import InlineStyleSheet
from bokeh.models.widgets import Div, Select

from dask_horn.diagnostics.page.clock import left, rounds_done, rounds_in_all, status
from dask_horn.diagnostics.page.feeds import set_if_new
from dask_horn.diagnostics.page.state import Run, State
from dask_horn.diagnostics.page.timeline import shares
from dask_horn.diagnostics.page.traffic import size_in_words, traffic
from dask_horn.records import left_in_words, length_of_time

NEWEST = "newest"

_STYLE = """
:host { width: 100%; color: var(--ink); font: 13px Helvetica, Arial, sans-serif; }
.bk-clearfix { width: 100%; display: block !important; }
.top { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 12px; min-height: 30px; }
.chip { border-radius: 12px; padding: 3px 11px; color: #fff; font-weight: bold; }
.training { background: var(--busy); } .ended { background: var(--good); }
.waiting, .preparing, .silent { background: var(--warn); } .failed { background: var(--bad); }
.detail { color: var(--faint); overflow-wrap: anywhere; }
.bar { height: 5px; border-radius: 3px; background: var(--track); margin: 8px 0; }
.bar i { display: block; height: 100%; border-radius: 3px; background: var(--busy);
         transition: width .4s; }
.bar i.ended { background: var(--good); } .bar i.failed { background: var(--bad); }
.tiles { display: flex; justify-content: space-between; gap: 8px 18px; }
@media (max-width: 1000px) { .tiles { display: grid; grid-template-columns: repeat(4, 1fr); } }
.tile b { display: block; font-size: 19px; font-weight: 600; line-height: 1.3; white-space: nowrap;
          font-variant-numeric: tabular-nums; }
.tile span { color: var(--faint); font-size: 12px; }
.tile .bad { color: var(--bad); }
.about { display: grid; grid-template-columns: max-content 1fr; gap: 3px 14px; margin: 0; }
.about dt { color: var(--faint); } .about dd { margin: 0; overflow-wrap: anywhere; }
.about pre { margin: 0; font: 12px ui-monospace, Menlo, Consolas, monospace;
             white-space: pre-wrap; }
"""


class Header:
    """What a run is doing, and its figures."""

    def __init__(self, name: str = "header") -> None:
        style = InlineStyleSheet(css=_STYLE)
        self.root = Div(
            text="", name=name, sizing_mode="stretch_width", margin=0, stylesheets=[style]
        )

    def update(self, run: Run | None, now: float, names: Any) -> None:
        """Write what is new."""
        set_if_new(self.root, text=_html(run, now))


class About:
    """A run's network, settings and data."""

    def __init__(self) -> None:
        style = InlineStyleSheet(css=_STYLE)
        self.root = Div(
            text="", name="about", sizing_mode="stretch_width", margin=0, stylesheets=[style]
        )

    def update(self, run: Run | None, now: float, names: Any) -> None:
        """Write what is new."""
        set_if_new(self.root, text="" if run is None else _about(run))


class Choice:
    """The selector of a run: the newest, whichever that is, or one that stays."""

    def __init__(self) -> None:
        options: list[Any] = [(NEWEST, "the newest run")]
        self.root = Select(
            name="choice", value=NEWEST, options=options, width=250, height=30, margin=0
        )

    def update(self, state: State, now: float) -> None:
        """List the runs there are."""
        runs = state.newest_first()
        named = [(run.run, _named(run)) for run in runs]
        options: list[Any] = [(NEWEST, "the newest run"), *named]
        if self.root.value not in {value for value, _ in options}:
            self.root.value = NEWEST  # it has been forgotten
        set_if_new(self.root, options=options, visible=len(runs) > 1)

    def run(self, state: State) -> Run | None:
        """Return the run that is chosen."""
        return state.runs.get(self.root.value) or state.newest


def _named(run: Run) -> str:
    began = "" if run.begun is None else f"{run.begun['n_parameters']:,} parameters, "
    return f"{run.run[:8]}: {began}{rounds_done(run)} rounds"


def _html(run: Run | None, now: float) -> str:
    if run is None:
        return (
            '<div class="top"><span class="chip preparing">no run yet</span><span class="detail">'
            "what <code>dask_horn</code> trains on this cluster will be seen here</span></div>"
        )
    doing = status(run, now)
    done, total = rounds_done(run), rounds_in_all(run)
    percent = 100.0 * done / total if total else 0.0
    kind = doing.kind if doing.kind in ("ended", "failed") else ""
    tiles = "".join(
        f'<div class="tile"><b class="{look}">{escape(value)}</b><span>{escape(words)}</span></div>'
        for value, words, look in _tiles(run, now)
    )
    return (
        f'<div class="top"><span class="chip {doing.kind}">{escape(doing.words)}</span>'
        f'<span class="detail">{escape(doing.details)}</span></div>'
        f'<div class="bar"><i class="{kind}" style="width: {percent:.1f}%"></i></div>'
        f'<div class="tiles">{tiles}</div>'
    )


def _tiles(run: Run, now: float) -> list[tuple[str, str, str]]:
    """Return a value, what it is, and a class, of each figure."""
    newest, best = run.newest, run.best
    done, total = rounds_done(run), rounds_in_all(run)
    tiles = [(f"{done} / {total}" if total else f"{done}", "rounds", "")]
    tiles.append(_time_tile(run, now))
    tiles.append(("–" if newest is None else f"{newest.loss:.4g}", "training loss", ""))
    if newest is not None and newest.score is not None and best is not None:
        best_words = f"score (best {best.score:.4f}, round {best.round})"
        tiles.append((f"{newest.score:.4f}", best_words, ""))
    achieved = shares(run)
    rate = sum(share.rate * share.busy for share in achieved)
    tiles.append((f"{rate:,.0f}" if achieved else "–", "samples a second", ""))
    busy = sum(share.busy for share in achieved) / len(achieved) if achieved else None
    words = f"workers, {busy:.0%} busy" if busy is not None else "workers"
    tiles.append((str(len(run.workers)), words, ""))
    tiles.append(_traffic_tile(run))
    late = sum(one.late for one in run.rounds.values())
    lost = sum(notice.kind == "TaskLost" for notice in run.notices.values())
    tiles.append((f"{late} / {lost}", "late / lost tasks", "bad" if late or lost else ""))
    return tiles


def _time_tile(run: Run, now: float) -> tuple[str, str, str]:
    if status(run, now).kind in ("ended", "failed"):
        took = run.last - (run.first if run.begun is None else float(run.begun["time"]))
        return length_of_time(took), "trained", ""
    if run.begun is None:
        return "–", "left: the run's beginning was missed", ""
    seconds = left(run, now)
    if seconds is None:
        return "–", "left: known after the second round", ""
    return *left_in_words(seconds, bool(run.begun["settings"].get("early_stopping"))), ""


def _traffic_tile(run: Run) -> tuple[str, str, str]:
    sums = traffic(run)
    if not sums:
        return "–", "moved between workers", ""
    last = sums[-1]
    if not last.data_parallel:
        return size_in_words(last.moved), "moved between workers", ""
    others = size_in_words(last.data_parallel)
    return size_in_words(last.moved), f"moved (data-parallel: {others})", ""


def _about(run: Run) -> str:
    if run.begun is None:
        return "<dl class='about'><dt>run</dt><dd>its beginning was missed</dd></dl>"
    begun = run.begun
    settings = begun["settings"]
    changed = begun.get("changed", ())
    words = ", ".join(f"{name}={_value(settings[name])}" for name in changed if name in settings)
    rows = [
        ("data", escape(begun["data"])),
        ("settings", escape(words) or "as by default"),
        ("batches", f"of {begun['batch_size']:,} samples, on {escape(begun['device'])}"),
        ("network", f"<pre>{escape(begun['network'])}</pre>"),
        *_notice_rows(run),
    ]
    return f"<dl class='about'>{''.join(f'<dt>{k}</dt><dd>{v}</dd>' for k, v in rows)}</dl>"


def _value(value: Any) -> str:
    """Write a setting; of a long sequence how often each value comes."""
    if not isinstance(value, list | tuple) or len(value) < 5:
        return repr(value)
    return f"({', '.join(f'{len(list(same))} × {one}' for one, same in groupby(value))})"


def _notice_rows(run: Run) -> list[tuple[str, str]]:
    newest = sorted(run.notices.values(), key=lambda notice: -notice.time)[:5]
    start = run.first if run.begun is None else float(run.begun["time"])
    return [
        (
            f"after {length_of_time(max(0.0, one.time - start))}",
            escape(f"{one.words} ({one.worker})"),
        )
        for one in newest
    ]
