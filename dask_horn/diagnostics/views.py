"""Ways of showing a run's progress: in a terminal, in a notebook, in a file."""

from __future__ import annotations

import time
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from dask_horn.diagnostics.colours import BEST, LATE, LOSS
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

    def move(self, done: int, words: list[str]) -> None:
        """Show that one more round is done, and its numbers."""

    def wait(self, words: str) -> None:
        """Show that it takes long."""

    def stop(self, ending: str, *, failed: bool) -> None:
        """Stop showing; say how it ended, unless the set-up has failed: its error will be read."""


def console_of(console: Console | None) -> Console:
    """Return the console, by default one on standard error."""
    if console is not None:
        return console
    from rich.console import Console

    return Console(stderr=True)


def view_on(console: Console) -> View:
    """Choose the view by where the output goes."""
    if console.is_jupyter:
        return _NotebookBar()
    if console.is_terminal and not console.is_dumb_terminal:
        return _Bar(console)
    return _Lines(console)


class _Bar:
    """A bar that is redrawn in place in a terminal."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[words]}"),
            _elapsed_column(),
            console=console,
            expand=True,
        )
        self._task: Any = None
        self._trains = False
        self._rounds = (0, 0)

    def note(self, words: str) -> None:
        self._console.out(words, highlight=False)

    def prepare(self, what: str) -> None:
        self._show("preparing", what, since=time.monotonic())

    def start(self, done: int, total: int) -> None:
        self._trains, self._rounds = True, (done, total)
        # Until the first round is done there are no numbers: it is seen how time goes by.
        self._show("training", self._counted([]), since=time.monotonic())

    def move(self, done: int, words: list[str]) -> None:
        self._rounds = (done, self._rounds[1])
        self._show("training", self._counted(words), since=None)

    def wait(self, words: str) -> None:
        if self._trains:
            self._show("training", self._counted([words]), since=None)
        else:
            self._show("preparing", words, since=None)

    def stop(self, ending: str, *, failed: bool) -> None:
        shown = self._trains or not failed
        if self._task is not None:
            self._progress.update(self._task, since=None)
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
        self._words: list[str] = []

    def note(self, words: str) -> None:
        self._notes.append(words)

    def prepare(self, what: str) -> None:
        self._show([what])

    def start(self, done: int, total: int) -> None:
        self._trains, self._rounds = True, (done, total)
        self._show([])

    def move(self, done: int, words: list[str]) -> None:
        self._rounds = (done, self._rounds[1])
        self._show(words)

    def wait(self, words: str) -> None:
        self._show([words])

    def stop(self, ending: str, *, failed: bool) -> None:
        if self._trains or not failed:
            self._draw(ending, LATE if failed else BEST)
        elif self._handle is not None:
            self._update({"text/html": "", "text/plain": ""})

    def _show(self, words: list[str]) -> None:
        self._words = words
        self._draw("", LOSS)

    def _draw(self, ending: str, colour: str) -> None:
        text = "  ".join([*([self._count] if self._trains else []), *self._words])
        plain = "\n".join(filter(None, [*self._notes, f"{self._name}  {text}", ending]))
        self._update({"text/html": self._html(text, ending, colour), "text/plain": plain})

    def _update(self, forms: dict[str, str]) -> None:
        import IPython.display as ipython

        if self._handle is None:
            show: Any = ipython.display
            self._handle = show(forms, raw=True, display_id=True)
        else:
            self._handle.update(forms, raw=True)

    @property
    def _name(self) -> str:
        return "training" if self._trains else "preparing"

    @property
    def _count(self) -> str:
        done, total = self._rounds
        return f"{done}/{total}"

    def _html(self, text: str, ending: str, colour: str) -> str:
        done, total = self._rounds
        # Without a value it moves to and fro.
        value = f'value="{done}" max="{total}" ' if self._trains else ""
        bar = f'<progress {value}style="width: 16em; accent-color: {colour}"></progress>'
        lines = [f"<div>{escape(note)}</div>" for note in self._notes]
        lines.append(f"<div>{self._name} {bar} {escape(text)}</div>")
        if ending:
            mark = f"border-left: 0.25em solid {colour}; padding-left: 0.5em"
            lines.append(f'<div style="{mark}">{escape(ending)}</div>')
        return f'<div style="white-space: pre-wrap; line-height: 1.6">{"".join(lines)}</div>'


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

    def move(self, done: int, words: list[str]) -> None:
        every = max(1, round(self._total / _LINES))
        if done % every == 0 or done == self._total:
            self.note(f"round {done} of {self._total}: {', '.join(words)}")

    def wait(self, words: str) -> None:
        """Nothing: the sentence is in the log already."""

    def stop(self, ending: str, *, failed: bool) -> None:
        if ending and (self._trains or not failed):
            self.note(ending)
