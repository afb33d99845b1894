"""A run is told from its first moment to its end, whatever the end is, and everywhere alike."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

import dask_horn as horn
from dask_horn.errors import DivergedError
from dask_horn.records import Event, Preparing, RunBegun, RunEnded

NETWORK = horn.Network([horn.Dense(32, activation="relu"), horn.Dense(10)], input_shape=64)
ALL_X, ALL_Y = load_digits(return_X_y=True)
X, Y = ALL_X[:600], ALL_Y[:600]
HELD_OUT = ALL_X[600:900], ALL_Y[600:900]
SET_UP = [
    "copying the samples into Zarr",
    "looking through the samples",
    "compiling kernels, or loading them",
]


class Listen(horn.Callback):
    """Notes all that it hears; does something after a round."""

    def __init__(self, after: int = 0, what=None) -> None:
        self.after, self.what = after, what
        self.heard: list[str] = []
        self.events: list[Event] = []

    def on_run_start(self, event) -> None:
        self.heard.append("start")

    def on_round_end(self, record) -> None:
        self.heard.append(f"round {record.round}")
        if record.round == self.after:
            self.what()

    def on_event(self, event) -> None:
        self.heard.append(event.what if isinstance(event, Preparing) else event.kind)
        self.events.append(event)

    def on_run_end(self, result) -> None:
        self.heard.append("end")

    def on_run_failed(self, error) -> None:
        self.heard.append("failed")

    @property
    def ended(self) -> RunEnded:
        (ended,) = [one for one in self.events if isinstance(one, RunEnded)]
        return ended


def _interrupt():
    raise KeyboardInterrupt


def _stop():
    raise StopIteration("enough seen")


def _interrupt():
    raise KeyboardInterrupt


def _fail():
    raise KeyError("key")


def _train(listen, **settings):
    return horn.train(NETWORK, X, Y, callbacks=[listen], **{"n_rounds": 3} | settings)


def test_everything_is_told_in_order():
    listen = Listen()
    _train(listen, n_rounds=2)
    assert listen.heard == [
        *SET_UP, "start", "RunBegun", "round 1", "round 2", "RunEnded", "end",
    ]  # fmt: skip
    assert {event.run for event in listen.events} == {listen.events[0].run} != {""}


def test_samples_in_zarr_are_not_copied(tmp_path):
    horn.write_samples(tmp_path / "data.zarr", X, Y)
    listen = Listen()
    horn.train(NETWORK, tmp_path / "data.zarr", n_rounds=1, callbacks=[listen])
    assert listen.heard[:2] == ["opening the samples", "looking through the samples"]


def test_a_complete_run_says_how_good_it_is():
    listen = Listen()
    result = _train(listen)
    seconds = sum(result.history.column("seconds"))
    assert result.ending == f"3 rounds in {seconds:.1f} s, loss {result.history[-1].loss:.4g}"
    assert listen.ended == RunEnded(run=listen.events[0].run, message=result.ending)
    scored = _train(listen, n_rounds=1, validation_data=HELD_OUT)
    assert scored.ending.startswith("1 round in ")
    assert scored.ending.endswith(f"score {scored.history[0].validation_score:.4f}")


def test_early_stopping_says_which_round_is_the_best():
    settings = {"early_stopping": True, "n_iter_no_change": 2, "validation_data": HELD_OUT}
    listen = Listen()
    result = _train(listen, n_rounds=60, **settings)
    best = result.history[result.best_round - 1].validation_score
    assert result.ending == (
        f"stopped early at round {len(result.history)}, best round {result.best_round}, score "
        f"{best:.4f}"
    )
    assert listen.ended.best_round == result.best_round
    # All rounds were needed: nothing has stopped it.
    result = _train(Listen(), n_rounds=2, **settings)
    assert result.ending.startswith("2 rounds in ") and "best round" in result.ending
    assert not result.stopped_early


def test_a_callback_that_stops_a_run_is_quoted():
    listen = Listen(2, _stop)
    result = _train(listen)
    assert result.ending.startswith("stopped after round 2 (enough seen), loss ")
    assert listen.ended.message == result.ending
    assert listen.heard[-2:] == ["RunEnded", "end"]
    assert not listen.ended.failed


@pytest.mark.parametrize(
    "what, error, message",
    [
        (_interrupt, KeyboardInterrupt, "interrupted after round 2"),
        (_fail, KeyError, "failed after round 2: KeyError: 'key'"),
    ],
)
def test_a_run_that_fails_says_when_and_why(what, error, message, tmp_path):
    listen = Listen(2, what)
    with pytest.raises(error):
        _train(listen)
    assert listen.ended.message == message
    assert listen.ended.failed
    assert listen.heard[-2:] == ["RunEnded", "failed"]
    listen = Listen(2, what)
    with pytest.raises(error):
        _train(listen, checkpoint=tmp_path / "run", checkpoint_every=1)
    assert listen.ended.message == f"{message}; the checkpoint has round 2"


def test_a_run_that_diverges_says_where():
    listen = Listen()
    with pytest.raises(horn.DivergedError) as caught:
        _train(listen, optimizer="sgd", learning_rate=1e6)
    assert listen.ended.message == f"diverged before the first round was done: {caught.value}"


def test_a_mistake_in_the_samples_is_told_too():
    listen = Listen()
    with pytest.raises(ValueError):
        horn.train(NETWORK, np.where(X.max() == X, np.nan, X), Y, callbacks=[listen])
    assert listen.heard[-2:] == ["RunEnded", "failed"]
    assert "start" not in listen.heard
    assert listen.ended.message.startswith("failed before the first round was done: X holds NaN")


def test_a_callback_may_stop_the_set_up():
    class Stop(Listen):
        def on_event(self, event):
            super().on_event(event)
            if event == Preparing(run=event.run, what="looking through the samples"):
                raise StopIteration("not today")

    stop = Stop()
    with pytest.raises(horn.StoppedError, match="not today"):
        _train(stop)
    assert stop.heard[-2:] == ["RunEnded", "failed"]
    assert stop.ended.message == "stopped before the first round was done (not today)"


def test_an_end_is_told_once_whatever_hears_of_it():
    class Fail(Listen):
        def on_run_end(self, result):
            super().on_run_end(result)
            raise RuntimeError("cannot be saved")

    fail = Fail()
    with pytest.raises(RuntimeError, match="cannot be saved"):
        _train(fail)
    assert fail.heard[-3:] == ["round 3", "RunEnded", "end"]
    assert fail.ended.message.startswith("3 rounds in ")


def test_the_log_has_begin_rounds_and_end_in_the_same_words(caplog):
    with caplog.at_level(logging.INFO, "dask_horn"):
        result = _train(Listen(2, _stop), validation_data=HELD_OUT)
    told = [record.getMessage() for record in caplog.records if record.name == "dask_horn"]
    *set_up, begun, first, second, ended = told
    assert set_up == [*SET_UP[:2], "looking through the validation samples", SET_UP[2]]
    assert begun == (
        f"training {NETWORK.parameters.n_parameters:,} parameters on 600 samples of 64 float64, in "
        "memory; 300 held out: 3 rounds"
    )
    one, two = result.history
    assert first == f"round 1 of 3: loss {one.loss:.4g}, score {one.validation_score:.4f}"
    assert second.startswith(f"round 2 of 3: loss {two.loss:.4g}, score {two.validation_score:.4f}")
    assert ended == result.ending


def test_the_log_is_silent_unless_somebody_wants_it(caplog, capfd):
    _train(Listen())
    assert [record for record in caplog.records if record.name == "dask_horn"] == []
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("dask_horn").handlers == []


def test_progress_is_shown_where_it_is_asked_for(capsys):
    result = _train(Listen(), progress=True)
    first, *_, last = capsys.readouterr().err.splitlines()
    assert (first, last) == ("copying the samples into Zarr", result.ending)


def test_a_bar_of_ones_own_is_the_only_one(capsys):
    import io

    from rich.console import Console

    from dask_horn.diagnostics import ProgressBar

    log = io.StringIO()
    horn.train(NETWORK, X, Y, n_rounds=1, progress=True, callbacks=[ProgressBar(Console(file=log))])
    assert log.getvalue()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "callbacks, message",
    [
        ([print], r"callbacks must be instances of dask_horn\.Callback, got <built-in"),
        (Listen(), r"callbacks must be a list of instances of dask_horn\.Callback, got"),
        ([horn.StopFile], r"make an instance of it, StopFile\(\.\.\.\)"),
    ],
)
@pytest.mark.parametrize("progress", [False, True])
def test_what_is_no_callback_is_refused_before_any_work(callbacks, message, progress, tmp_path):
    settings = {"callbacks": callbacks, "progress": progress, "checkpoint": tmp_path / "run"}
    with pytest.raises(TypeError, match=message):
        horn.train(NETWORK, X, Y, **settings)
    assert not (tmp_path / "run").exists()


def test_callbacks_of_scikit_learn_are_sent_to_the_estimators():
    theirs = pytest.importorskip("sklearn.callback", minversion=None).ProgressBar()
    with pytest.raises(TypeError, match=r"listen to estimators: .* with set_callbacks\("):
        horn.train(NETWORK, X, Y, callbacks=[theirs])


def _topic(client):
    """What the scheduler's topic has of the newest run."""
    events = [Event.from_dict(message) for _, message in client.get_events("dask-horn")]
    return [one for one in events if one.run == events[-1].run]


def test_whoever_watches_the_cluster_hears_the_same(client):
    listen = Listen()
    result = _train(listen, n_groups=2)
    told = [one for one in _topic(client) if isinstance(one, Preparing | RunBegun | RunEnded)]
    told.sort(key=lambda one: one.time)
    assert [one.what for one in told[:-2]] == SET_UP
    assert isinstance(told[-2], RunBegun)
    assert told[-1].message == listen.ended.message == result.ending
    assert all(one.time > 1e9 for one in told)


def test_whoever_watches_the_cluster_hears_of_a_failure(client):
    with pytest.raises(KeyboardInterrupt):
        _train(Listen(1, _interrupt))
    assert _topic(client)[-1].message == "interrupted after round 1"
    assert _topic(client)[-1].failed


@pytest.mark.cluster
def test_a_run_says_that_it_waits_for_a_worker():
    from distributed import Client, LocalCluster

    class Start(Listen):
        def on_event(self, event):
            super().on_event(event)
            if event == Preparing(run=event.run, what="waiting for a worker"):
                cluster.scale(1)

    listen = Start()
    with (
        LocalCluster(
            n_workers=0, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        _train(listen, n_rounds=1)
        assert listen.heard[:2] == ["waiting for a worker", SET_UP[0]]
        assert isinstance(_topic(client)[0], Preparing)


def _begun(X, y=None, **settings):
    listener = Listen()
    horn.train(NETWORK, X, y, n_rounds=1, callbacks=[listener], **settings)
    (begun,) = [one for one in listener.events if isinstance(one, RunBegun)]
    return begun


def test_what_is_trained_on_is_told(tmp_path):
    in_memory = _begun(X, Y, validation_data=HELD_OUT)
    assert in_memory.data == "600 samples of 64 float64, in memory; 300 held out"
    path = str(tmp_path / "digits.zarr")
    horn.write_samples(path, X, Y)
    assert _begun(path).data == f"600 samples of 64 float64, in {path}"


def test_how_it_is_trained_is_told_in_plain_values():
    begun = _begun(X, Y, class_weight={np.int64(label): 1.0 for label in range(10)})
    assert Event.from_dict(json.loads(json.dumps(begun.to_dict()))).settings == begun.settings
    assert begun.plans == ((1, 1),)
    assert begun.settings["n_submodels"] == 1  # as settled
    assert "n_submodels" not in begun.changed


class Faulty(horn.Callback):
    """Fails when it hears of the end, by one method."""

    def __init__(self, method: str) -> None:
        setattr(self, method, self._fail)

    def _fail(self, what) -> None:
        if not isinstance(what, Preparing | RunBegun):
            raise OSError("the server is down")


@pytest.mark.parametrize("method", ["on_event", "on_run_end"])
def test_the_others_hear_the_end_as_it_is_where_one_fails(method):
    listener = Listen()
    with pytest.raises(OSError, match="the server is down"):
        horn.train(NETWORK, X, Y, n_rounds=1, callbacks=[Faulty(method), listener])
    assert listener.heard[-2:] == ["RunEnded", "end"]
    assert not listener.ended.failed


@pytest.mark.parametrize("method", ["on_event", "on_run_failed"])
def test_the_runs_own_error_is_raised_where_a_callback_fails_too(method, caplog):
    with pytest.raises(DivergedError) as raised:
        horn.train(
            NETWORK, X, Y, n_rounds=2, learning_rate=1e30, optimizer="sgd",
            callbacks=[Faulty(method)],
        )  # fmt: skip
    assert raised.value.model is not None
    assert "the server is down" in caplog.text


def test_a_resumed_run_that_is_stopped_at_once_returns_what_is_saved(tmp_path):
    class Stop(horn.Callback):
        def on_event(self, event):
            if isinstance(event, RunBegun) and event.first_round:
                raise StopIteration("not now")

    settings = {"n_rounds": 4, "checkpoint": str(tmp_path / "run")}
    horn.train(NETWORK, X, Y, callbacks=[Listen(2, _stop)], **settings)
    result = horn.train(NETWORK, X, Y, callbacks=[Stop()], **settings)
    assert (len(result.history), result.stopped) == (2, "not now")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
def test_a_standard_error_that_takes_nothing_ends_no_training(tmp_path):
    script = (
        "import dask_horn as horn\n"
        "X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 8, [0, 1, 1, 0] * 8\n"
        "network = horn.Network([horn.Dense(4, activation='relu'), horn.Dense(2)], 2)\n"
        "print(len(horn.train(network, X, y, n_rounds=2, progress=True).history))\n"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=full, text=True
        )
    assert done.stdout == "2\n"
    assert done.returncode in (0, 120)  # Python's own word for what it could not write at its end
