"""Each line is a record as it was told; files go on after whatever has happened to them."""

from __future__ import annotations

import json
import logging
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

import dask_horn as horn
from dask_horn.records import Event, Remark, RoundMerged, RunBegun, RunEnded, StoreRetried
from tests.diagnostics.records import record

NETWORK = horn.Network([horn.Dense(4, activation="relu"), horn.Dense(2)], input_shape=2)
X, Y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 8, [0, 1, 1, 0] * 8


def _train(path, **settings):
    return horn.train(NETWORK, X, Y, callbacks=[horn.JSONLines(path)], **settings)


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_are_the_records_of_the_run(tmp_path):
    path = tmp_path / "run.jsonl"
    result = _train(path, n_groups=2, n_submodels=2, n_rounds=3)
    lines = _lines(path)
    assert [line["kind"] for line in lines[:1]] == ["Preparing"]
    events = [Event.from_dict(line) for line in lines if "what" not in line]
    remark, begun, *rounds, ended = events
    assert isinstance(remark, Remark) and "n_submodels=2" in remark.words
    assert isinstance(begun, RunBegun) and isinstance(ended, RunEnded)
    assert begun.n_parameters == NETWORK.parameters.n_parameters
    assert begun.settings["n_groups"] == 2
    assert [one.record for one in rounds] == list(result.history)
    assert ended.message == result.ending and not ended.failed
    assert len({line["run"] for line in lines}) == 1
    times = [line["time"] for line in lines]
    assert times == sorted(times) and times[0] > 1e9


def test_a_run_that_is_resumed_goes_on_in_the_same_file(tmp_path):
    class Stop(horn.Callback):
        def on_round_end(self, record):
            raise StopIteration("enough")

    path, checkpoint = tmp_path / "run.jsonl", tmp_path / "run"
    settings = {"n_rounds": 3, "checkpoint": checkpoint}
    horn.train(NETWORK, X, Y, callbacks=[horn.JSONLines(path), Stop()], **settings)
    with path.open("a") as file:
        file.write('{"kind": "RoundMerged", "rec')  # as where a machine stops
    _train(path, **settings)
    whole = [line for line in path.read_text().splitlines() if line.endswith("}")]
    assert len(whole) == len(path.read_text().splitlines()) - 1
    lines = [json.loads(line) for line in whole]
    assert [line["record"]["round"] for line in lines if line["kind"] == "RoundMerged"] == [1, 2, 3]
    ends = [line["message"] for line in lines if line["kind"] == "RunEnded"]
    assert ends[0].startswith("stopped after round 1 (enough), loss ")


def test_a_line_is_there_as_soon_as_it_is_told(tmp_path):
    path = tmp_path / "run.jsonl"
    lines = horn.JSONLines(path)
    lines.on_event(StoreRetried(array="X", message="tried again", time=12.0))
    assert _lines(path) == [
        {"kind": "StoreRetried", "run": "", "worker": "", "time": 12.0, "array": "X",
         "message": "tried again"},
    ]  # fmt: skip


def test_what_is_no_number_is_null(tmp_path):
    path = tmp_path / "run.jsonl"
    horn.JSONLines(path).on_round_end(replace(record(1), validation_loss=float("nan")))
    (line,) = _lines(path)
    assert line["record"]["validation_loss"] is None
    assert isinstance(Event.from_dict(line), RoundMerged)


def test_a_folder_that_is_missing_is_told_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match="path must be in a folder that exists, got"):
        horn.JSONLines(tmp_path / "there" / "run.jsonl")


def test_runs_at_the_same_time_share_a_file(tmp_path):
    lines = horn.JSONLines(tmp_path / "run.jsonl")

    def train(seed):
        return horn.train(NETWORK, X, Y, n_rounds=8, random_state=seed, callbacks=[lines]).history

    with ThreadPoolExecutor(4) as pool:
        histories = list(pool.map(train, range(4)))
    written = {}
    for line in _lines(tmp_path / "run.jsonl"):
        if line["kind"] == "RoundMerged":
            written.setdefault(line["run"], []).append(Event.from_dict(line).record)
    assert sorted(written.values(), key=str) == sorted(map(list, histories), key=str)


def test_it_travels_to_other_processes(tmp_path):
    lines = horn.JSONLines(tmp_path / "run.jsonl")
    horn.train(NETWORK, X, Y, n_rounds=1, callbacks=[lines])
    horn.train(NETWORK, X, Y, n_rounds=1, callbacks=[pickle.loads(pickle.dumps(lines))])
    assert len({line["run"] for line in _lines(tmp_path / "run.jsonl")}) == 2


def test_a_disk_that_fills_up_ends_no_training(tmp_path, caplog):
    path, away = tmp_path / "there" / "run.jsonl", tmp_path / "away"
    path.parent.mkdir()

    class Fail(horn.Callback):
        """Has the file's folder away in the rounds 2 and 3."""

        def on_round_end(self, record):
            if record.round == 1:
                path.parent.rename(away)
            if record.round == 3:
                away.rename(path.parent)

    with caplog.at_level(logging.WARNING, "dask_horn"):
        result = horn.train(NETWORK, X, Y, n_rounds=5, callbacks=[horn.JSONLines(path), Fail()])
    assert len(result.history) == 5
    lines = _lines(path)
    assert [line["record"]["round"] for line in lines if "record" in line] == [1, 4, 5]
    assert lines[-1]["kind"] == "RunEnded"
    (warning,) = caplog.messages
    assert warning.startswith(f"JSONLines could not log to {path} (FileNotFoundError: ")


def test_a_file_that_cannot_be_written_is_told_before_training(tmp_path, caplog):
    (tmp_path / "run.jsonl").mkdir()
    rounds = []

    class Note(horn.Callback):
        def on_round_end(self, record):
            rounds.append(record)

    with pytest.raises(IsADirectoryError):
        horn.train(
            NETWORK, X, Y, n_rounds=2, callbacks=[horn.JSONLines(tmp_path / "run.jsonl"), Note()]
        )
    assert rounds == [] and caplog.messages == []
