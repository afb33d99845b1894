"""Ways of showing a run's progress: in a terminal, in a notebook, in a file."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from html import escape
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from dask_horn.diagnostics.colours import BEST, LATE, LOSS, QUIET
from dask_horn.records import length_of_time

if TYPE_CHECKING:
    from rich.console import Console

_LINES = 10  # about so many lines for the rounds of a whole run in a log
_PATIENCE = 2.0  # seconds after which it is said how long something has been going on


class View(Protocol):
    """One way of showing a run."""

    def note(self, words: str) -> None:
        """Say something that stays."""

    def prepare(self, what: str) -> None:
        """Show what the set-up does."""

    def start(self, done: int, total: int) -> None:
        """Show that `done` of `total` rounds are done."""

    def move(self, done: int, numbers: list[str], left: str) -> None:
        """Show that one more round is done, its numbers, and how much time is left."""

    def wait(self, what: str, seconds: float) -> None:
        """Show that something has been awaited for so long."""

    def stop(self, ending: str, *, failed: bool) -> None:
        """Stop showing; say how it ended, unless the set-up has failed: its error will be read."""


class _StandardError:
    """Standard error, whatever that is just now; what nobody can read any more is dropped."""

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError, AttributeError):  # no reader, no room, closed, none
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def view_on(console: Console | None) -> View:
    """Choose the view by where the output goes: by default to a notebook, or standard error."""
    from rich.console import Console as RichConsole

    console = console or RichConsole(file=cast(IO[str], _StandardError()))
    if console.is_jupyter:
        return _NotebookBar()
    if console.is_terminal and not console.is_dumb_terminal:
        return _Bar(console)
    return _Lines(console)


class _Bar:
    """A bar that is redrawn in place in a terminal."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(min_width=9, no_wrap=True)),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[words]}"),
            _elapsed_column(),
            console=console,
            expand=True,
        )
        self._task: Any = None
        self._trains = False
        self._rounds = (0, 0)
        self._numbers: list[str] = []

    def note(self, words: str) -> None:
        self._console.out(words, highlight=False)

    def prepare(self, what: str) -> None:
        self._show("preparing", what, since=time.monotonic())

    def start(self, done: int, total: int) -> None:
        self._trains, self._rounds = True, (done, total)
        # Until the first round is done there are no numbers: it is seen how time goes by.
        self._show("training", self._counted([]), since=time.monotonic())

    def move(self, done: int, numbers: list[str], left: str) -> None:
        self._rounds, self._numbers = (done, self._rounds[1]), numbers
        self._show("training", self._counted([*numbers, *filter(None, [left])]), since=None)

    def wait(self, what: str, seconds: float) -> None:
        if self._trains:  # else the step says more, and for how long
            words = self._counted([f"waiting for {what}"])
            self._show("training", words, since=time.monotonic() - seconds)

    def stop(self, ending: str, *, failed: bool) -> None:
        shown = self._trains or not failed
        if self._task is not None:
            if self._trains:
                self._show("training", self._counted(self._numbers), since=None)
            self._progress.live.transient = not shown
            self._progress.stop()
        if shown and ending:
            self.note(ending)

    def _counted(self, words: list[str]) -> str:
        done, total = self._rounds
        return "  ".join([f"{done}/{total}", *words])

    def _show(self, description: str, words: str, since: float | None) -> None:
        # Without a total the bar pulses.
        done, total = self._rounds if self._trains else (0, None)
        if self._task is None:
            self._task = self._progress.add_task("", total=None, words="", since=None)
        self._progress.update(
            self._task, description=description, words=words, since=since, completed=done
        )
        self._progress.tasks[0].total = total  # `update` takes None for no change
        self._progress.start()  # which does nothing the second time
        if since is not None:  # a step begins: shown at once, however short it is
            self._progress.refresh()


def _elapsed_column() -> Any:
    """Return a column that counts the seconds of a step, if there are a few."""
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Elapsed(ProgressColumn):
        def render(self, task: Task) -> Text:
            since = task.fields["since"]
            seconds = 0.0 if since is None else time.monotonic() - since
            words = f"{seconds:.0f} s" if seconds < 120 else length_of_time(seconds)
            return Text(words if seconds >= _PATIENCE else "")

    return Elapsed()


class _NotebookBar:
    """A bar that is redrawn in place in a notebook; needs no widgets."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._trains = False
        self._rounds = (0, 0)
        self._notes: list[str] = []
        self._numbers: list[str] = []

    def note(self, words: str) -> None:
        self._notes.append(words)

    def prepare(self, what: str) -> None:
        self._draw([what])

    def start(self, done: int, total: int) -> None:
        self._trains, self._rounds = True, (done, total)
        self._draw([])

    def move(self, done: int, numbers: list[str], left: str) -> None:
        self._rounds, self._numbers = (done, self._rounds[1]), numbers
        self._draw([*numbers, left])

    def wait(self, what: str, seconds: float) -> None:
        self._draw([f"waiting for {what}, {length_of_time(seconds)}"])

    def stop(self, ending: str, *, failed: bool) -> None:
        if self._trains or not failed:
            self._draw(self._numbers, ending, LATE if failed else BEST)
        elif self._handle is not None:
            self._display({"text/html": "", "text/plain": ""})

    def _draw(self, words: list[str], ending: str = "", colour: str = LOSS) -> None:
        done, total = self._rounds
        name, count = ("training", f"{done}/{total}") if self._trains else ("preparing", "")
        text = "  ".join(filter(None, [count, *words]))
        bar = _svg(done / max(total, 1) if self._trains else None, colour)
        lines = [escape(note) for note in self._notes] + [f"{name} {bar} {escape(text)}"]
        html = "".join(f"<div>{line}</div>" for line in lines)
        if ending:
            mark = f"border-left: 0.25em solid {colour}; padding-left: 0.5em"
            html += f'<div style="{mark}">{escape(ending)}</div>'
        self._display(
            {
                "text/html": f'<div style="white-space: pre-wrap; line-height: 1.6">{html}</div>',
                "text/plain": "\n".join(filter(None, [*self._notes, f"{name}  {text}", ending])),
            }
        )

    def _display(self, forms: dict[str, str]) -> None:
        import IPython.display as ipython

        if self._handle is None:
            show: Any = ipython.display
            self._handle = show(forms, raw=True, display_id=True)
        else:
            self._handle.update(forms, raw=True)


def _svg(part: float | None, colour: str) -> str:
    """Draw a bar that is full in part, or one that moves to and fro; on light or dark."""
    value, move = f'width="{part or 0:.1%}"', ""
    if part is None:
        times = 'dur="3s" repeatCount="indefinite"'
        value, move = 'width="25%"', f'<animate attributeName="x" values="0%;75%;0%" {times}/>'
    return (
        '<svg width="16em" height="0.6em" role="img">'
        f'<rect width="100%" height="100%" rx="3" fill="{QUIET}" fill-opacity="0.35"/>'
        f'<rect {value} height="100%" rx="3" fill="{colour}">{move}</rect></svg>'
    )


class _Lines:
    """A line for each step of the set-up, one every few rounds, and one for the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._total = 1
        self._trains = False

    def note(self, words: str) -> None:
        self._console.out(words, highlight=False)

    def prepare(self, what: str) -> None:
        self.note(what)

    def start(self, done: int, total: int) -> None:
        self._trains, self._total = True, total

    def move(self, done: int, numbers: list[str], left: str) -> None:
        every = max(1, round(self._total / _LINES))
        if done % every == 0 or done == self._total:
            words = ", ".join([*numbers, *filter(None, [left])])
            self.note(f"round {done} of {self._total}: {words}")

    def wait(self, what: str, seconds: float) -> None:
        """Nothing: the sentence is in the log already."""

    def stop(self, ending: str, *, failed: bool) -> None:
        if ending and (self._trains or not failed):
            self.note(ending)
