"""A run's curves in TensorBoard."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dask_horn.diagnostics.packages import needed
from dask_horn.diagnostics.tracker import TrackedRun, Tracker
from dask_horn.records import RoundRecord, RunStart

_RUN_IDS = "[0-9a-f]" * 8


@dataclass
class _Curves(TrackedRun):
    """Where a run's curves go.

    Attributes
    ----------
    folder : str
        The run's own.
    writer : tensorboard.summary.Writer or None
        Of an open file in it.
    """

    folder: str = ""
    writer: Any = None


class TensorBoard(Tracker[_Curves]):
    """Writes losses, score and speed of each round for TensorBoard.

    It needs the package ``tensorboard``, and neither TensorFlow nor PyTorch. ``tensorboard --logdir
    FOLDER`` shows the curves, also while the run goes on.

    Each run writes to a subfolder named by its id, so that TensorBoard tells them apart: those of
    one script after another, and the fits of a grid search. A run that is resumed goes on in the
    subfolder that was written last.

    If nothing can be written before training begins, the run ends with that error. If it cannot
    later, a warning says so once and the run goes on; after three failures in a row it is no longer
    tried.

    Parameters
    ----------
    folder : str or path-like
        Where the runs' subfolders are. It is made where it is missing.

    Raises
    ------
    ImportError
        If the package is missing.

    Examples
    --------
    >>> import dask_horn as horn
    >>> network = horn.Network([horn.Dense(4, activation="relu"), horn.Dense(2)], input_shape=2)
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 8, [0, 1, 1, 0] * 8
    >>> board = horn.TensorBoard("runs")  # doctest: +SKIP
    >>> result = horn.train(network, X, y, n_rounds=2, callbacks=[board])  # doctest: +SKIP
    """

    patience = 3

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__()
        self.folder = os.path.expanduser(folder)
        _summary()

    def _new_run(self) -> _Curves:
        return _Curves()

    def _place(self) -> str:
        return self._run.folder

    def _begin(self, event: RunStart) -> None:
        run = self._run
        before = _last_written(self.folder) if event.first_round else None
        run.folder = before or os.path.join(self.folder, event.run)
        run.writer = _summary().Writer(run.folder)

    def _log_round(self, record: RoundRecord) -> None:
        run = self._run
        if run.writer is None:  # a writer that has failed fails for ever
            run.writer = _summary().Writer(run.folder)
        try:
            for tag, value in _numbers(record).items():
                if value is not None:
                    run.writer.add_scalar(tag, value, record.round, wall_time=record.ended or None)
            run.writer.flush()
        except Exception:
            with suppress(Exception):
                run.writer.close()
            run.writer = None
            raise

    def _close(self, error: BaseException | None) -> None:
        if self._run.writer is not None:
            self._run.writer.close()


def _last_written(folder: str) -> str | None:
    """Return the run's subfolder that was written last, if there is any."""
    files = list(Path(folder).glob(f"{_RUN_IDS}/events.out.tfevents.*"))
    return str(max(files, key=lambda file: file.stat().st_mtime_ns).parent) if files else None


def _summary() -> Any:
    return needed("tensorboard.summary", "tensorboard", "TensorBoard")


def _numbers(record: RoundRecord) -> dict[str, float | None]:
    return {
        "loss/training": record.loss,
        "loss/validation": record.validation_loss,
        "score/validation": record.validation_score,
        "speed/seconds per round": record.seconds,
        "speed/samples per second": record.samples / record.seconds if record.seconds else None,
        "traffic/bytes": record.bytes_to_workers + record.bytes_from_workers,
    }
