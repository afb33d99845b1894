"""A run's records as lines of JSON, written as it goes on."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from typing import Any

from dask_horn.diagnostics.tracker import TrackedRun, Tracker
from dask_horn.records import Event, RoundMerged, RoundRecord

_WRITING = threading.Lock()  # several runs may write to one file


class JSONLines(Tracker[TrackedRun]):
    """Writes what a run tells to a file, a JSON object in each line, as it happens.

    Each line has ``kind`` (such as ``"RunBegun"``, ``"RoundMerged"``, ``"RunEnded"``), ``run`` (the
    run's id), ``time`` (seconds since 1970) and the attributes of that kind's class in
    `dask_horn.records`. A round's line holds its `RoundRecord` as ``record``. NaN and infinity are
    null.

    Lines are added to those that there are, and a line that was cut short is ended first, so a run
    that is resumed goes on in the same file. The file is closed after every line.
    Several runs at a time may share it.

    If the file cannot be written before training begins, the run ends with that error. If it cannot
    later, as on a full disk, a warning says so once and the run goes on.

    Parameters
    ----------
    path : str or path-like
        The file, on this machine. It need not exist, but its folder must.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.

    Examples
    --------
    >>> import json
    >>> import tempfile
    >>> from pathlib import Path
    >>> import dask_horn as horn
    >>> network = horn.Network([horn.Dense(4, activation="relu"), horn.Dense(2)], input_shape=2)
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 8, [0, 1, 1, 0] * 8
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "run.jsonl")
    ...     _ = horn.train(network, X, y, n_rounds=2, callbacks=[horn.JSONLines(path)])
    ...     lines = [json.loads(line) for line in path.read_text().splitlines()]
    >>> [line["kind"] for line in lines][-4:]
    ['RunBegun', 'RoundMerged', 'RoundMerged', 'RunEnded']
    >>> [line["record"]["round"] for line in lines if line["kind"] == "RoundMerged"]
    [1, 2]
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self.path = os.path.abspath(os.path.expanduser(path))
        folder = os.path.dirname(self.path)
        if not os.path.isdir(folder):
            raise FileNotFoundError(
                f"path must be in a folder that exists, got {os.fspath(path)!r}, and there is no "
                f"folder {folder}"
            )

    def _new_run(self) -> TrackedRun:
        return TrackedRun()

    def _place(self) -> str:
        return self.path

    def _log_round(self, record: RoundRecord) -> None:
        self._log_event(RoundMerged(run=self._run.id, record=record))

    def _log_event(self, event: Event) -> None:
        values = event.to_dict()
        values["time"] = event.time or time.time()
        line = json.dumps(_finite(values), default=str) + "\n"
        with _WRITING, open(self.path, "ab+") as file:
            file.write((_missing_end(file) + line).encode())


def _missing_end(file: Any) -> str:
    """Return what ends the file's last line, if a writer was killed in it."""
    if not file.seek(0, os.SEEK_END):
        return ""
    file.seek(-1, os.SEEK_END)
    return "" if file.read(1) == b"\n" else "\n"


def _finite(value: Any) -> Any:
    """Replace what JSON has no number for: NaN and infinity."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
