"""A run's curves in TensorBoard."""

from __future__ import annotations

import os
from typing import Any

from dask_horn.diagnostics.packages import needed
from dask_horn.records import Callback, RoundRecord, RunStart


class TensorBoard(Callback):
    """Writes losses, score and speed of each round for TensorBoard.

    It needs the package ``tensorboard``, and neither TensorFlow nor PyTorch. ``tensorboard --logdir
    FOLDER`` shows the curves, also while the run goes on.

    Parameters
    ----------
    folder : str or path-like
        Where to write; a run that is resumed adds to what is there. TensorBoard shows each folder
        as a run of that name.

    Raises
    ------
    ImportError
        If the package is missing.

    Examples
    --------
    >>> import dask_horn as horn
    >>> network = horn.Network([horn.Dense(4, activation="relu"), horn.Dense(2)], input_shape=2)
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 8, [0, 1, 1, 0] * 8
    >>> board = horn.TensorBoard("runs/first")  # doctest: +SKIP
    >>> result = horn.train(network, X, y, n_rounds=2, callbacks=[board])  # doctest: +SKIP
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = os.fspath(folder)
        self._writer: Any = None
        _summary()

    def on_run_start(self, event: RunStart) -> None:
        """Begin a file."""
        self._writer = _summary().Writer(self.folder)

    def on_round_end(self, record: RoundRecord) -> None:
        """Write a round's numbers, by its number."""
        for tag, value in _numbers(record).items():
            if value is not None:
                self._writer.add_scalar(tag, value, record.round, wall_time=record.ended or None)
        self._writer.flush()

    def on_run_end(self, result: Any) -> None:
        """Close the file."""
        self._close()

    def on_run_failed(self, error: BaseException) -> None:
        """Close the file."""
        self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


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
