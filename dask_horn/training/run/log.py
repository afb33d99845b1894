"""What a run tells through `logging`, so that batch jobs have it too."""

from __future__ import annotations

import logging

from dask_horn.records import (
    Callback,
    Event,
    Preparing,
    Remaining,
    Remark,
    RoundRecord,
    RunBegun,
    RunEnded,
    number_of_rounds,
    numbers_of,
)

logger = logging.getLogger("dask_horn")


class RunLog(Callback):
    """Logs a run's set-up, its beginning, each round and its end, as INFO.

    The library adds no handler and sets no level: applications do. Where they have set up nothing,
    Python shows warnings, such as that a run waits, on standard error, and none of this.
    """

    def __init__(self) -> None:
        self._n_rounds = 0
        self._remaining = Remaining(0)

    def on_event(self, event: Event) -> None:
        """Log what a progress bar shows; the others are logged where they are found."""
        if isinstance(event, Preparing | RunEnded):
            logger.info("%s", event.what if isinstance(event, Preparing) else event.message)
        elif isinstance(event, Remark):
            logger.info("%s", event.words)
        elif isinstance(event, RunBegun):
            self._n_rounds = len(event.plans)
            self._remaining = Remaining.of(event)
            logger.info("%s", _beginning(event))

    def on_round_end(self, record: RoundRecord) -> None:
        """Log a round's numbers."""
        self._remaining.note(record)
        words = ", ".join(filter(None, [*numbers_of(record), self._remaining.words()]))
        logger.info("round %d of %d: %s", record.round, self._n_rounds, words)


def _beginning(event: RunBegun) -> str:
    rounds = number_of_rounds(len(event.plans))
    if event.first_round:
        rounds += f", going on after round {event.first_round}"
    return f"training {event.n_parameters:,} parameters on {event.data}: {rounds}"
