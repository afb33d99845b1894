"""Callbacks that end a run after the round that is being done: by a signal, or by a file."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any, Self

from dask_horn.records import Callback, Event, RoundRecord, RunStart, Waiting

# Before a job's time is up, queues send SIGTERM, or what they are asked to: usually SIGUSR1.
QUEUE_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)
)


class StopOnSignal(Callback):
    """Ends a run after the round that is being done when a signal arrives; it is saved first.

    A queue announces the end of a job's time by a signal. The round is finished, the checkpoint is
    written, and `train` returns with `TrainingResult.stopped` set. A later call with the same
    checkpoint goes on to the same bits. Ask for the signal early enough: a round and its saving
    must fit in between.

    The signals are handled from the start of the run to its end, then as they were before. In a
    ``with`` statement they are handled in all of its block: a signal that comes before the run, as
    while it waits for workers, ends the run after its first round, and none interrupts the saving
    of the model. Further signals change nothing, as queues may send them twice, but for a second
    SIGINT (Ctrl-C), which does what it did before.

    Parameters
    ----------
    *signals : signal.Signals
        By default SIGTERM and SIGUSR1.

    Attributes
    ----------
    received : signal.Signals or None
        The first signal that has arrived since the run or the ``with`` block began. Where it came
        in the last round the run is complete, and `TrainingResult.stopped` is None.

    Raises
    ------
    ValueError
        If there is no such signal, or if no process may handle it.
    RuntimeError
        When handling begins outside the main thread, where Python handles no signals.

    See Also
    --------
    StopFile : Does the same where no signal can be sent.

    Examples
    --------
    >>> import signal
    >>> import dask_horn as horn
    >>> class Queue(horn.Callback):
    ...     def on_round_end(self, record):
    ...         if record.round == 2:
    ...             signal.raise_signal(signal.SIGTERM)
    >>> network = horn.Network([horn.Dense(4, activation="relu"), horn.Dense(2)], input_shape=2)
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 8, [0, 1, 1, 0] * 8
    >>> result = horn.train(network, X, y, n_rounds=9, callbacks=[Queue(), horn.StopOnSignal()])
    >>> len(result.history), result.stopped
    (2, 'SIGTERM was received')
    """

    def __init__(self, *signals: signal.Signals) -> None:
        self.signals = tuple(_checked(number) for number in signals or QUEUE_SIGNALS)
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._in_block = False

    def __enter__(self) -> Self:
        self._listen()
        self._in_block = True
        return self

    def __exit__(self, *error: object) -> None:
        self._in_block = False
        self._restore()

    def on_run_start(self, event: RunStart) -> None:
        """Handle the signals from now on."""
        if not self._in_block:
            self._listen()

    def on_signal(self, number: int, frame: Any) -> None:
        """Note a signal: an exception in mid-round may leave Dask's client stuck."""
        before = self._before.get(signal.Signals(number))
        if self.received is None:
            self.received = signal.Signals(number)
        elif number == signal.SIGINT and callable(before):
            before(number, frame)

    def on_round_end(self, record: RoundRecord) -> None:
        """End the run if a signal has arrived."""
        if self.received is not None:
            raise StopIteration(f"{self.received.name} was received")

    def on_event(self, event: Event) -> None:
        """End the run without another round if a signal has arrived, and the run waits in vain."""
        if self.received is not None and isinstance(event, Waiting):
            raise StopIteration(f"{self.received.name} was received")

    def on_run_end(self, result: Any) -> None:
        """Handle the signals as before the run."""
        if not self._in_block:
            self._restore()

    def on_run_failed(self, error: BaseException) -> None:
        """Handle the signals as before the run."""
        if not self._in_block:
            self._restore()

    def _listen(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "StopOnSignal works in the main thread only, since Python handles signals there; "
                "train in the main thread, or use StopFile"
            )
        self.received = None
        for number in self.signals:
            self._before[number] = signal.signal(number, self.on_signal)

    def _restore(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            # None is a handler that was not set by Python, and that Python cannot set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


class StopFile(Callback):
    """Ends a run after the round that is being done when a file is touched; it is saved first.

    For runs that no signal reaches: ``touch stop`` on any machine that shares the file's folder
    with this process ends the run as `StopOnSignal` does. Workers need not see it. A network file
    system may show the file with a delay of up to a minute.

    A file that is there already when this object is made was meant for an earlier run: it ends none
    until it is touched again. Nothing is ever removed, so that one file can stop several runs.

    Parameters
    ----------
    path : str or path-like
        The file. It need not exist, but its folder must.

    Attributes
    ----------
    stopped : bool
        Whether the file was found touched in the last run.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.

    See Also
    --------
    StopOnSignal : Does the same without a file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import dask_horn as horn
    >>> network = horn.Network([horn.Dense(4, activation="relu"), horn.Dense(2)], input_shape=2)
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 8, [0, 1, 1, 0] * 8
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     stop = horn.StopFile(f"{folder}/stop")
    ...     Path(folder, "stop").touch()
    ...     result = horn.train(network, X, y, n_rounds=9, callbacks=[stop])
    >>> len(result.history), stop.stopped
    (1, True)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(os.path.expanduser(path))
        self.stopped = False
        folder = os.path.dirname(self.path)
        if not os.path.isdir(folder):
            raise FileNotFoundError(
                f"path must be in a folder that exists, got {os.fspath(path)!r}, and there is no "
                f"folder {folder}"
            )
        self._known = _touched(self.path, None)

    def on_run_start(self, event: RunStart) -> None:
        """Begin anew."""
        self.stopped = False

    def on_round_end(self, record: RoundRecord) -> None:
        """End the run if the file has been touched."""
        self._stop_if_touched()

    def on_event(self, event: Event) -> None:
        """End the run without another round if it has been touched, and the run waits in vain."""
        if isinstance(event, Waiting):
            self._stop_if_touched()

    def _stop_if_touched(self) -> None:
        found = _touched(self.path, self._known)
        if found is not None and found != self._known:
            self._known = found
            self.stopped = True
            raise StopIteration(f"{self.path} was touched")


def _checked(number: signal.Signals) -> signal.Signals:
    """Return a signal that a process may handle."""
    try:
        known = signal.Signals(number)
    except ValueError:
        raise ValueError(
            f"signals must be signals such as signal.SIGTERM, got {number!r}"
        ) from None
    if known.name in ("SIGKILL", "SIGSTOP"):
        raise ValueError(f"signals must be signals that a process may handle, got {known.name}")
    return known


def _touched(path: str, known: tuple[int, int] | None) -> tuple[int, int] | None:
    """Return what tells a file from the same one touched again; None where there is none.

    Opened, not only looked up: network file systems ask their server then. Where they cannot say,
    it is as was known: the next round asks again.
    """
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    except OSError:
        return known
    return found.st_mtime_ns, found.st_ino
