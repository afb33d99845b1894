"""A history as columns, text and data frames."""

from __future__ import annotations

import builtins
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from dask_horn.records import History
from tests.diagnostics.records import history, record


def _told(round: int, losses, score=None):
    """A round that tells everything of each sub-model."""
    return replace(
        record(round, n_groups=len(losses), n_submodels=len(losses[0]), score=score),
        losses=losses,
        workers=tuple(
            tuple(f"tcp://{g}:{k}" for k in range(len(row))) for g, row in enumerate(losses)
        ),
        submodel_seconds=tuple(tuple(10 * loss for loss in row) for row in losses),
        submodel_started=tuple(tuple(1.7e9 + loss for loss in row) for row in losses),
        submodel_units=tuple(tuple(range(1, len(row) + 1)) for row in losses),
    )


def test_a_column_is_an_array_to_plot():
    rounds = history(4)
    assert rounds["loss"].dtype == np.float64
    assert_array_equal(rounds["loss"], [1, 1 / 2, 1 / 3, 1 / 4])
    assert_array_equal(rounds["round"], [1, 2, 3, 4])
    assert rounds["samples"].dtype.kind == "i"
    assert rounds["loss"][1:].tolist() == rounds[1:]["loss"].tolist()


def test_what_was_not_validated_is_nan():
    mixed = History([record(1, score=None), record(2, score=0.5)])
    assert_array_equal(mixed["validation_score"], [np.nan, 0.5])
    assert np.isnan(history(3, scored=False)["validation_loss"]).all()


def test_an_unknown_column_is_told_with_the_nearest():
    with pytest.raises(KeyError, match=r"no column 'validation_los' .* mean 'validation_loss'"):
        history(2)["validation_los"]
    with pytest.raises(KeyError, match=r"no column 'colour' .* there are round, .* ended"):
        history(2)["colour"]
    with pytest.raises(KeyError, match=r"'losses' is a table .*to_frame\(by='submodel'\)"):
        history(2)["losses"]


def test_a_frame_has_a_row_per_round():
    frame = history(5).to_frame()
    assert len(frame) == 5
    assert frame.columns[:4].tolist() == ["round", "n_groups", "n_submodels", "loss"]
    assert not {"losses", "workers", "submodel_units"} & set(frame.columns)
    assert_array_equal(frame["validation_score"], history(5)["validation_score"])
    assert frame["validation_score"].dtype == np.float64


@pytest.mark.parametrize("scored", [True, False])
def test_the_frame_and_the_text_are_one_table(scored):
    rounds = history(4, scored=scored)
    assert rounds.to_frame().to_csv(index=False) == rounds.to_csv()
    again = pd.read_csv(io.StringIO(rounds.to_csv()))
    pd.testing.assert_frame_equal(again, rounds.to_frame(), check_dtype=False)


def test_text_is_written_to_a_path(tmp_path):
    for path in (tmp_path / "rounds.csv", str(tmp_path / "more.csv")):
        assert history(3).to_csv(path) is None
        assert history(2).to_csv(path) is None  # replaces it
        with open(path, newline="") as file:
            assert file.read() == history(2).to_csv()


def test_a_long_frame_has_a_row_per_sub_model():
    rounds = History([_told(1, ((0.1, 0.2, 0.3),)), _told(2, ((0.4,), (0.5,)))])
    frame = rounds.to_frame(by="submodel")
    assert frame.columns.tolist() == [
        "round", "group", "submodel", "loss", "worker", "started", "seconds", "units",
    ]  # fmt: skip
    assert frame[["round", "group", "submodel"]].to_numpy().tolist() == [
        [1, 0, 0], [1, 0, 1], [1, 0, 2], [2, 0, 0], [2, 1, 0],
    ]  # fmt: skip
    assert frame["loss"].tolist() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert frame["worker"].tolist()[2:] == ["tcp://0:2", "tcp://0:0", "tcp://1:0"]
    assert frame["units"].tolist() == [1, 2, 3, 1, 1]
    by_round = frame.groupby("round")["seconds"].max()
    assert by_round.tolist() == [3, 5]


def test_histories_of_before_say_less_of_each_sub_model():
    frame = history(2).to_frame(by="submodel")
    assert len(frame) == 8
    assert frame["loss"].notna().all()
    assert frame[["worker", "started", "seconds", "units"]].isna().all(axis=None)


def test_a_frame_of_nothing_has_columns():
    assert History().to_frame().shape == (0, 13)
    assert len(History().to_frame(by="submodel")) == 0
    assert "loss" in History().to_frame(by="submodel")


def test_frames_are_by_round_or_by_sub_model():
    with pytest.raises(ValueError, match="by must be one of 'round', 'submodel', got 'group'"):
        history(2).to_frame(by="group")


def test_what_would_do_without_pandas_is_told(monkeypatch):
    load = builtins.__import__

    def without_pandas(name, *arguments):
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'")
        return load(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(ImportError, match="to_frame needs pandas, which is not installed"):
        history(2).to_frame()


def test_the_best_round_is_the_first_of_the_highest_score():
    scores = [None, 0.5, 0.9, float("nan"), 0.9]
    rounds = History([record(i, score=score) for i, score in enumerate(scores, start=1)])
    assert rounds.best_round == 3
    assert rounds.best_score == rounds[2].validation_score
    assert rounds[4:].best_round == 5
    assert history(3, scored=False).best_round is None
    assert History().best_round is None
    assert History().best_score is None


def test_a_history_is_shown_in_a_line():
    assert repr(history(4)) == "History(4 rounds of 2 sub-models, best 4, score 0.8750)"
    assert repr(history(4, scored=False)) == "History(4 rounds of 2 sub-models, loss 0.25)"
    assert repr(history(1)) == "History(1 round of 2 sub-models, score 0.5000)"
    assert repr(History()) == "History(0 rounds)"


def test_a_round_is_shown_in_a_line():
    many = _told(7, ((0.25,) * 64,) * 16, score=0.5)
    assert repr(many) == "RoundRecord(7: 16 × 64 sub-models, loss 0.5, score 0.5000)"
    assert repr(record(1, score=None)) == "RoundRecord(1: 2 × 2 sub-models, loss 0.5)"
