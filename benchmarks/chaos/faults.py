"""What goes wrong, and when: drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

#: The kinds, each with what it does.
KINDS = {
    "kill": "a worker gets SIGKILL, and another comes",
    "pause": "a worker gets SIGSTOP, and some seconds later SIGCONT",
    "join": "a worker joins",
    "leave": "a worker is retired or gets SIGTERM, and no other comes",
    "scheduler": "the scheduler gets SIGKILL, and starts again at its address",
    "client": "the client gets SIGKILL, and starts again",
}

N_WORKERS = 3  #: at the start
_FEWEST, _MOST = 2, 4
_LONGEST_PAUSE, _LONGEST_OUTAGE = 9.0, 3.0  # seconds; a long pause has the worker given up
_SET_UP = 3.0  # seconds that it takes, about
_ROUND = 0.4  # seconds, likewise
_AT_ONCE = 0.25  # share of the faults that do not wait until the one before is overcome


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    after : {"start", "fault", "rounds"}
        What it comes after: the client's next start, so that it is about to set up the run; the
        fault before; or rounds that are done after that.
    rounds : int
        How many.
    delay : float
        Seconds from then on.
    which : float
        Which worker it hits, in [0, 1): of those there are, the oldest first.
    seconds : float
        How long a worker is stopped, or there is no scheduler.
    retires : bool
        Whether the scheduler sends a worker away that leaves; otherwise a signal does.
    """

    kind: str
    after: str
    rounds: int
    delay: float
    which: float
    seconds: float
    retires: bool


def draw(n_faults: int, seed: int) -> tuple[Fault, ...]:
    """Draw faults: of each kind as many, give or take one, the first before the first round."""
    random = Random(seed)
    kinds = [list(KINDS)[i % len(KINDS)] for i in range(n_faults)]
    random.shuffle(kinds)
    faults: list[Fault] = []
    before = "client"  # which starts first of all
    for kind in _bounded(kinds):
        after = "start" if before == "client" else "rounds"
        if after == "rounds" and random.random() < _AT_ONCE:
            after = "fault"
        longest = _LONGEST_OUTAGE if kind == "scheduler" else _LONGEST_PAUSE
        faults.append(
            Fault(
                kind=kind,
                after=after,
                rounds=random.choice((1, 1, 2)),
                delay=random.uniform(0, _SET_UP if after == "start" else _ROUND),
                which=random.random(),
                seconds=random.uniform(0.3, longest),
                retires=random.random() < 0.5,
            )
        )
        before = kind
    return tuple(faults)


def _bounded(kinds: list[str]) -> list[str]:
    """Have a worker join where one more that leaves would be too many, and the other way round."""
    bounded, n_workers = [], N_WORKERS
    for kind in kinds:
        if kind == "leave" and n_workers == _FEWEST:
            kind = "join"
        elif kind == "join" and n_workers == _MOST:
            kind = "leave"
        n_workers += {"join": 1, "leave": -1}.get(kind, 0)
        bounded.append(kind)
    return bounded
