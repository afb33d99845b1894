"""Bytes that have moved between workers, and those that data-parallel training would have moved."""

from __future__ import annotations

from dataclasses import dataclass

from dask_horn.diagnostics.page.kept import Round
from dask_horn.diagnostics.page.state import Run

_GRADIENT = 4  # bytes of a number


@dataclass(frozen=True)
class Traffic:
    """What has moved until a round was merged, from the first round that is known.

    Attributes
    ----------
    round : int
        Counted from 1.
    moved : int
        Bytes of the slices and deltas that have travelled between workers.
    data_parallel : float or None
        What synchronous data-parallel training would have moved; None where the run's beginning was
        missed.
    """

    round: int
    moved: int
    data_parallel: float | None


def traffic(run: Run) -> list[Traffic]:
    """Add up what has moved, round by round."""
    found, moved, others = [], 0, 0.0
    for number in sorted(run.rounds):
        one = run.rounds[number]
        moved += one.bytes_moved
        if run.begun is not None:
            others += data_parallel(one, run.begun["n_parameters"], run.begun["batch_size"])
        found.append(Traffic(number, moved, None if run.begun is None else others))
    return found


def data_parallel(one: Round, n_parameters: int, batch_size: int) -> float:
    """Return the bytes that synchronous data-parallel training would have moved for a round.

    A ring all-reduce sends ``2 (W - 1) P`` numbers of 4 bytes over the network in each step, of all
    W workers together, for a gradient of P parameters. Its workers share the samples out, of which
    each of a group's K sub-models sees all, so for a round's `samples` there are ``samples / (K W
    B)`` steps, if each worker has a batch of B of its own as a sub-model has:

        bytes = samples / (K W B) · 2 (W - 1) · 4 P

    That favours data-parallel training: with batches of B in all, as the baselines of
    ``benchmarks/baselines`` take them, it would be W times as much. With one worker it is 0.
    """
    workers = one.n_workers
    steps = one.samples / (one.n_submodels * workers * batch_size)
    return steps * 2 * (workers - 1) * n_parameters * _GRADIENT


def size_in_words(n_bytes: float) -> str:
    """Write a number of bytes as people do.

    Examples
    --------
    >>> size_in_words(0), size_in_words(2_500_000), size_in_words(31e9)
    ('0 B', '2.5 MB', '31 GB')
    """
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n_bytes < 999.5 or unit == "TB":
            break
        n_bytes /= 1000
    digits = 1 if 0 < n_bytes < 9.95 and unit != "B" else 0
    return f"{n_bytes:.{digits}f} {unit}"
