"""How a run's numbers are said: the same in progress bars, in logs and when it ends."""

from __future__ import annotations

from dask_horn.records.rounds import RoundRecord


def numbers_of(record: RoundRecord) -> list[str]:
    """Say a round's loss and, if there is one, its validation score."""
    words = [f"loss {short_loss(record.loss)}"]
    if record.validation_score is not None:
        words.append(f"score {record.validation_score:.4f}")
    return words


def short_loss(loss: float) -> str:
    """Write a loss.

    Examples
    --------
    >>> short_loss(0.123456), short_loss(0.0000123)
    ('0.1235', '1.2e-05')
    """
    return f"{loss:.4g}" if loss >= 1e-4 else f"{loss:.1e}"


def length_of_time(seconds: float) -> str:
    """Say a length of time as people do.

    Examples
    --------
    >>> length_of_time(2.34), length_of_time(75), length_of_time(9000)
    ('2.3 s', '75 s', '2.5 h')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def number_of_rounds(number: int) -> str:
    """Say how many rounds.

    Examples
    --------
    >>> number_of_rounds(1), number_of_rounds(30)
    ('1 round', '30 rounds')
    """
    return f"{number} round{'' if number == 1 else 's'}"
