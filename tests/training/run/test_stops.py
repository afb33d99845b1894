"""Runs that a signal or a file ends after a round, and what is known of it afterwards."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dask_horn as horn

NETWORK = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(2)], input_shape=4)
X = np.random.default_rng(0).normal(size=(96, 4))
Y = (X[:, 0] > 0).astype("int64")


class At(horn.Callback):
    """Does something when a round ends."""

    def __init__(self, round, do):
        self.round = round
        self.do = do

    def on_round_end(self, record):
        if record.round == self.round:
            self.do()


def _sending(number, round=2):
    return At(round, lambda: signal.raise_signal(number))


def _train(*callbacks, **settings):
    return horn.train(NETWORK, X, Y, callbacks=callbacks, **{"n_rounds": 5} | settings)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path, number):
    kept = {"checkpoint": str(tmp_path / "run"), "n_groups": 2, "checkpoint_every": 5}
    stop = horn.StopOnSignal()
    stopped = _train(_sending(number), stop, **kept)
    assert len(stopped.history) == 2
    assert stopped.stopped == f"{number.name} was received"
    assert stop.received is number
    resumed = _train(stop, **kept)
    assert len(resumed.history) == 5
    assert resumed.stopped is None
    assert stop.received is None
    np.testing.assert_array_equal(resumed.model.parameters, _train(n_groups=2).model.parameters)


def test_a_signal_before_the_run_ends_it_after_its_first_round():
    with horn.StopOnSignal() as stop:
        signal.raise_signal(signal.SIGUSR1)
        result = _train(stop)
        assert len(result.history) == 1 and result.stopped
        signal.raise_signal(signal.SIGTERM)  # as while the model is saved
        assert stop.received is signal.SIGUSR1
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_signal_in_the_last_round_leaves_a_complete_run():
    stop = horn.StopOnSignal(signal.SIGUSR1)
    result = _train(_sending(signal.SIGUSR1, round=5), stop)
    assert result.stopped is None
    assert stop.received is signal.SIGUSR1


def test_queues_may_send_a_signal_twice():
    twice = At(2, lambda: [signal.raise_signal(signal.SIGTERM) for _ in range(2)])
    assert len(_train(twice, horn.StopOnSignal()).history) == 2


def test_a_second_ctrl_c_stops_at_once():
    twice = At(2, lambda: [signal.raise_signal(signal.SIGINT) for _ in range(2)])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            _train(twice, horn.StopOnSignal(signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)


class _Fails(horn.Callback):
    def on_round_end(self, record):
        raise RuntimeError("broken")


@pytest.mark.parametrize("others", [(), (_Fails(),)], ids=["done", "failed"])
def test_handlers_are_those_of_before(others):
    def mine(number, frame):
        raise AssertionError

    before = signal.signal(signal.SIGUSR1, mine)
    try:
        if others:
            with pytest.raises(RuntimeError, match="broken"):
                _train(horn.StopOnSignal(), *others)
        else:
            _train(horn.StopOnSignal())
        assert signal.getsignal(signal.SIGUSR1) is mine
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_signals_need_the_main_thread():
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(_train, horn.StopOnSignal())
        with pytest.raises(RuntimeError, match="StopOnSignal works in the main thread only"):
            future.result()


@pytest.mark.parametrize("number, words", [(1000, "got 1000"), (signal.SIGKILL, "got SIGKILL")])
def test_signals_that_cannot_be_handled_are_refused(number, words):
    with pytest.raises(ValueError, match=f"signals must be .*{words}"):
        horn.StopOnSignal(number)


def test_a_file_that_is_touched_stops_a_run(tmp_path):
    stop = horn.StopFile(tmp_path / "stop")
    result = _train(At(2, (tmp_path / "stop").touch), stop)
    assert len(result.history) == 2
    assert stop.stopped
    assert result.stopped == f"{tmp_path / 'stop'} was touched"


def test_the_file_of_an_earlier_run_stops_no_later_one(tmp_path):
    file = tmp_path / "stop"
    file.touch()
    again = horn.StopFile(file)
    assert len(_train(again).history) == 5
    assert not again.stopped
    result = _train(At(3, file.touch), again)
    assert len(result.history) == 3 and again.stopped
    assert len(_train(again).history) == 5
    assert not again.stopped


def test_a_file_touched_before_training_begins_stops_after_the_first_round(tmp_path):
    stop = horn.StopFile(tmp_path / "stop")
    (tmp_path / "stop").touch()
    assert len(_train(stop).history) == 1


def test_a_file_that_cannot_be_seen_for_a_moment_stops_nothing(tmp_path):
    """As on NFS; here it is a link to itself for a round."""
    file = tmp_path / "stop"
    file.touch()
    stop = horn.StopFile(file)
    file.rename(tmp_path / "aside")
    file.symlink_to(file)

    def touch_again():
        file.unlink()
        (tmp_path / "aside").rename(file)
        file.touch()

    assert len(_train(At(3, touch_again), stop).history) == 3


def test_a_stop_file_needs_its_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="path must be in a folder that exists"):
        horn.StopFile(tmp_path / "none" / "stop")


def test_a_callback_says_who_stopped_the_run():
    class Says(horn.Callback):
        def on_round_end(self, record):
            raise StopIteration(*self.words)

    says = Says()
    for says.words, told in [((), "a callback asked to stop"), (("too hot",), "too hot")]:
        assert _train(says).stopped == told
