"""A training under faults: they come at their times, and what the run does then is noted."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import click

from benchmarks.chaos.faults import Fault
from benchmarks.chaos.processes import Cluster, Process
from benchmarks.chaos.supervisor import Supervisor
from benchmarks.chaos.training import WHERE, Folder, Told

_TICK = 0.05  # seconds
_STARTS = 10  # of the client in a row without a round between them, before it is given up

#: The last line of a traceback: the error's name without its modules.
_ERROR = re.compile(r"^(?:\w+\.)*([A-Z]\w+)(?:: .*)?$", re.MULTILINE)


class TrialError(RuntimeError):
    """The run hangs, or is over too early."""


@dataclass
class Hit:
    """A fault that has come.

    Attributes
    ----------
    fault : Fault
    whom : str
        What it hit.
    time : float
        When, in seconds since the epoch.
    round : int
        In which round, from 1; 0 where the client was setting up the run.
    errors : list of str
        By which the client ended before the next fault came.
    seconds : float or None
        Until the next round was done; None where none was.
    """

    fault: Fault
    whom: str
    time: float
    round: int
    errors: list[str] = field(default_factory=list)
    seconds: float | None = None

    @property
    def when(self) -> str:
        """Where in the run it came."""
        return f"round {self.round}" if self.round else "set-up"

    @property
    def then(self) -> str:
        """What the run did."""
        if self.errors:
            return f"ended by {', '.join(self.errors)}; started again"
        return "started again" if self.fault.kind == "client" else "went on"


class Chaos:
    """One training under faults.

    Parameters
    ----------
    folder : Folder
        Of the training.
    cluster : Cluster
    faults : sequence of Fault
    patience : float
        Seconds without any progress before it is a hang.
    """

    def __init__(
        self, folder: Folder, cluster: Cluster, faults: Sequence[Fault], patience: float
    ) -> None:
        self.hits: list[Hit] = []
        self._folder = folder
        self._left = list(faults)
        self._patience = patience
        self._told: list[Told] = []
        self._n_fruitless = 0  # starts without a round since
        self._progress_at = time.time()
        self._supervisor = Supervisor(folder, cluster)

    @property
    def n_starts(self) -> int:
        """How often the client was started."""
        return self._supervisor.n_starts

    def run(self) -> None:
        """Follow the training to its end.

        Raises
        ------
        TrialError
            If nothing goes on any more, or the run is over before all faults have come.
        """
        while not self._is_done() or self._client.is_alive:
            time.sleep(_TICK)
            self._supervisor.tend()
            if not self._client.is_alive and not self._is_done():
                self._start_again()
            if self._left and time.time() >= self._due(self._left[0]):
                self._make(self._left.pop(0))
            if time.time() > self._progress_at + self._patience:
                raise TrialError(f"no progress for {self._patience:g} s: {self._where()}")
        if self._left:
            raise TrialError(f"the run was over before the last {len(self._left)} faults came")

    def close(self) -> None:
        """Kill the client, if it is there still."""
        self._client.kill()

    @property
    def _client(self) -> Process:
        return self._supervisor.client

    def _is_done(self) -> bool:
        """Listen to what the training says, and return whether it is done."""
        said = self._folder.read()
        new, self._told = said[len(self._told) :], said
        for one in new:
            self._progress_at = max(self._progress_at, one.time)
            if one.what == "round":
                self._note_round(one)
        return bool(said) and said[-1].what == "done"

    def _note_round(self, done: Told) -> None:
        self._n_fruitless = 0
        for hit in self.hits:
            if hit.seconds is None and hit.time < done.time:
                hit.seconds = done.time - hit.time
                click.echo(f"     round {done.round} is done {hit.seconds:.1f} s later")

    def _due(self, fault: Fault) -> float:
        """When a fault is to come: never, as long as what it comes after has not happened."""
        before = self.hits[-1].time if self.hits else 0.0
        if fault.after == "fault":
            return before + fault.delay
        what, number = ("begins", 1) if fault.after == "start" else ("round", fault.rounds)
        since = [one.time for one in self._told if one.what == what and one.time > before]
        return since[number - 1] + fault.delay if len(since) >= number else float("inf")

    def _make(self, fault: Fault) -> None:
        """Have a fault come."""
        last = self._told[-1] if self._told else Told("begins", 0, 0.0)
        began, whom = time.time(), self._supervisor.make(fault)
        self.hits.append(Hit(fault, whom, began, 0 if last.what == "begins" else last.round + 1))
        self._progress_at = time.time()
        click.echo(f"{len(self.hits):3}  {fault.kind:10} {whom:20} {self.hits[-1].when}")

    def _start_again(self) -> None:
        """Note by which error the client has ended, unless it was killed, and start it again."""
        self._n_fruitless += 1
        if self._n_fruitless == _STARTS:
            raise TrialError(f"{_STARTS} starts of the client led to no round: {self._where()}")
        if self._client.code != -signal.SIGKILL:
            found = _ERROR.findall(self._client.log.read_text())
            error = found[-1] if found else f"code {self._client.code}"
            click.echo(f"     the client ended by {error}")
            for hit in self.hits[-1:]:  # the rounds since may have been on their way before
                hit.errors.append(error)
                hit.seconds = None
        self._supervisor.start_client()

    def _where(self) -> str:
        """Ask the client what it waits for; return the end of its log."""
        self._client.send(WHERE)
        time.sleep(1)
        return f"{self._client.log}\n{self._client.log.read_text()[-4000:]}"
