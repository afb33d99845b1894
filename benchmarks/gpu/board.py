"""What came out, row by row: shown at once, and kept in a file that outlives a crash."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.timing import in_turns

__all__ = ["Board", "Row", "over", "read"]

Call = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes
    ----------
    section, what : str
    value : float or None
        None where there is none: the note says why.
    unit : str
    goal : float or None
        What it should reach; `at_most` where it should stay below.
    at_most : bool
    note : str
    """

    section: str
    what: str
    value: float | None
    unit: str = ""
    goal: float | None = None
    at_most: bool = False
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is; None where there is none."""
        if self.goal is None or self.value is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    def __str__(self) -> str:
        """Return it as a line."""
        shown = "missing" if self.value is None else f"{self.value:.4g} {self.unit}"
        goal = ""
        if self.reached is not None:
            sign, verdict = "≤" if self.at_most else "≥", "reached" if self.reached else "MISSED"
            goal = f"goal {sign} {self.goal:g}: {verdict}"
        return "  ".join(
            filter(None, (f"{self.section:8} {self.what:62} {shown:>18}", goal, self.note))
        )


class Board:
    """Takes a section's rows; `file` gets a line of JSON for each.

    A GPU that has met with an error in our kernels serves that process no more. So what goes wrong
    there ends the section, which is then run once more `without_ours`.
    """

    def __init__(
        self, section: str, file: Path | None = None, *, without_ours: bool = False
    ) -> None:
        self.section, self.without_ours = section, without_ours
        self.rows: list[Row] = []
        self._file = file

    def put(self, row: Row) -> None:
        """Take a row."""
        self.rows.append(row)
        click.echo(str(row))
        if self._file is not None:
            with self._file.open("a") as file:
                file.write(json.dumps(asdict(row)) + "\n")

    def figure(self, what: str, value: float, unit: str = "", note: str = "") -> None:
        """Take a figure that has no goal."""
        self.put(Row(self.section, what, value, unit, note=note))

    def judged(
        self, what: str, value: float, goal: float, unit: str = "×", *, at_most: bool = False
    ) -> None:
        """Take a figure, and say whether it is as it should be."""
        self.put(Row(self.section, what, value, unit, goal, at_most))

    def missing(self, what: str, why: object) -> None:
        """Say what could not be had."""
        lines = str(why).strip().splitlines()
        name = type(why).__name__ + ": " if isinstance(why, BaseException) else ""
        self.put(Row(self.section, what, None, note=name + (lines[0] if lines else "")))

    def made(self, what: str, make: Callable[[], Any], *, ours: bool = False) -> Any:
        """Return what `make` makes, or None, and say what could not be had."""
        if ours and self.without_ours:
            return None
        try:
            return make()
        except (ImportError, NotImplementedError, ValueError, OSError) as error:
            self.missing(what, error)
        except Exception as error:  # whatever it is: a peer's successor has its turn
            if ours:
                raise
            traceback.print_exc(limit=-4)
            self.missing(what, error)
        return None

    def race(
        self, title: str, makers: Mapping[str, Callable[[], Call]], steps: int, turns: int
    ) -> dict[str, list[float]]:
        """Time contestants in turns; return the seconds of a step of those that could be made.

        Those of ours have names that begin so.
        """
        calls: dict[str, Call] = {}
        for name, make in makers.items():
            call = self.made(
                f"{title}: {name}",
                lambda make=make: _tried(make()),
                ours=name.startswith("our"),
            )
            if call is not None:
                calls[name] = call
        found = {name: [] for name in calls} if not calls else in_turns(calls, turns, 0.05)
        seconds = {name: [value / steps for value in own] for name, own in found.items()}
        for name, own in seconds.items():
            self.figure(f"{title}: {name}", sorted(own)[len(own) // 2] * 1e6, "µs/step")
        return seconds


def _tried(call: Call) -> Call:
    """Call once: what fails, fails here."""
    call()
    return call


def over(seconds: Mapping[str, Sequence[float]], peer: str, ours: str = "ours") -> float | None:
    """Return how many times faster ours is, the median of the turns; None where one is missing."""
    if peer not in seconds or ours not in seconds:
        return None
    ratios = sorted(a / b for a, b in zip(seconds[peer], seconds[ours], strict=True))
    return ratios[len(ratios) // 2]


def read(file: Path) -> list[Row]:
    """Return the rows of a file."""
    if not file.exists():
        return []
    return [Row(**json.loads(line)) for line in file.read_text().splitlines()]
