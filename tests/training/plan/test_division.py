"""Into how many sub-models a network is divided by default, and what is said of other numbers."""

from __future__ import annotations

import logging
import re

import dask
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dask_horn as horn
from dask_horn.network import GRU, LSTM, BatchNorm, Conv2D, Dense, Flatten, Network
from dask_horn.training import TrainingOptions
from dask_horn.training.plan.division import auto_submodels
from dask_horn.training.plan.remarks import remarks
from tests.training.specs import settled

ROWS = 20_000
RNG = np.random.default_rng(0)


def _dense(*widths, n_inputs=2):
    return Network([*(Dense(width, "relu") for width in widths), Dense(2)], n_inputs)


def _images(filters, units):
    layers = [Conv2D(filters, 3, activation="relu"), BatchNorm(), Flatten(), Dense(units, "relu")]
    return Network([*layers, Dense(2)], (8, 8, 1))


def _sequences(layer):
    return Network([layer, Dense(2)], (5, 3))


@pytest.mark.parametrize(
    ("network", "n_submodels"),
    [
        (_dense(), 1),
        (_dense(256, 256), 1),
        (_dense(511), 1),
        (_dense(512, 512), 2),
        (_dense(800, 800, n_inputs=784), 2),
        (_dense(1024, 512), 2),
        (_dense(1024, 256), 1),
        (_dense(4096, 4096), 8),
        (_dense(65_536), 8),
        (_images(1024, 1024), 1),
        (_sequences(LSTM(1024)), 1),
        (_sequences(GRU(1024)), 1),
    ],
    ids=repr,
)
def test_parts_keep_enough_units_of_the_narrowest_layer(network, n_submodels):
    assert auto_submodels(network, ROWS) == n_submodels


def test_few_rows_are_not_divided_for():
    assert [auto_submodels(_dense(512), n) for n in (9_999, 10_000)] == [1, 2]


@given(st.lists(st.integers(1, 5000), max_size=4), st.integers(1, 10**9))
def test_a_part_never_has_fewer_units_than_dividing_is_free_for(widths, n_samples):
    number = auto_submodels(_dense(*widths), n_samples)
    assert number in (1, 2, 4, 8)
    assert number == 1 or min(widths) // number >= 256


def _samples(n_rows=600, n_inputs=2):
    X = RNG.normal(size=(n_rows, n_inputs)).astype("f4")
    return X, (X[:, 0] > 0).astype(int)


def _remarks(network, n_workers=1, n_rows=600, n_inputs=2, **settings):
    spec = settled(network, *_samples(n_rows, n_inputs), **settings)
    return list(remarks(network, TrainingOptions(**settings), spec, n_workers))


def test_a_run_settles_the_number_and_its_history_says_it():
    network, samples = _dense(512), _samples(ROWS)
    result = horn.train(network, *samples, n_rounds=1, steps_per_round=2)
    assert result.history["n_submodels"].tolist() == [2]
    assert repr(result.history).startswith("History(1 round of 2 sub-models, ")
    narrow = horn.train(_dense(8), *samples, n_rounds=1, steps_per_round=2)
    assert repr(narrow.history).startswith("History(1 round, undivided, ")
    asked = horn.train(network, *samples, n_submodels=3, n_rounds=1, steps_per_round=2)
    assert asked.history["n_submodels"].tolist() == [3]
    same = horn.train(network, *samples, n_submodels=2, n_rounds=1, steps_per_round=2)
    assert same.model.parameters.tobytes() == result.model.parameters.tobytes()


@pytest.mark.parametrize(
    "settings",
    [{"early_stopping": True}, {"merge": "ensemble", "n_groups": 2, "group_data": "all"}],
    ids=lambda settings: next(iter(settings)),
)
def test_the_number_is_the_same_with_held_out_rows_and_in_an_ensemble(settings):
    rounds = settled(_dense(512), *_samples(ROWS), n_rounds=4, **settings).rounds
    assert next(plan.n_submodels for plan in rounds) == 2


def test_training_that_continues_from_a_model_is_undivided():
    network, samples, short = _dense(512), _samples(ROWS), {"n_rounds": 1, "steps_per_round": 2}
    first = horn.train(network, *samples, **short)
    assert first.history[0].n_submodels == 2
    second = horn.train(network, *samples, initial=first.model, **short)
    assert second.history[0].n_submodels == 1


def test_a_checkpoint_knows_the_number_not_how_it_was_asked_for(tmp_path):
    network, samples, short = _dense(8), _samples(), {"n_rounds": 2, "steps_per_round": 2}
    first = horn.train(network, *samples, checkpoint=tmp_path, **short)
    again = horn.train(network, *samples, checkpoint=tmp_path, n_submodels=1, **short)
    assert again.model.parameters.tobytes() == first.model.parameters.tobytes()
    with pytest.raises(ValueError, match="n_submodels"):
        horn.train(network, *samples, checkpoint=tmp_path, n_submodels=2, **short)


@pytest.mark.parametrize("given", ["three", "", "2"])
def test_no_other_word_is_a_number(given):
    with pytest.raises(ValueError, match=f"n_submodels must be .*'auto'.*, got '{given}'"):
        TrainingOptions(n_submodels=given)


def test_whoever_asks_for_more_is_told_what_it_costs():
    (line,) = _remarks(_dense(256, 128), n_submodels=4)
    assert line == (
        "n_submodels=4 leaves a part 32 units of dense_2, which cost 5 points of accuracy on "
        "letter_recognition; the default here is 1"
    )
    (line,) = _remarks(_images(32, 64), n_submodels=2, n_rows=64, n_inputs=64)
    assert "a part 32 units of dense_1, which cost 5 points" in line
    (line,) = _remarks(_images(16, 512), n_submodels=2, n_rows=64, n_inputs=64)
    assert "a part 8 filters of conv2d_1, which cost 4.5 points" in line
    (line,) = _remarks(_dense(1024), n_submodels=2)
    assert "a part 512 units of dense_1, which cost nothing" in line
    assert _remarks(_dense(256), n_submodels=1) == []
    assert _remarks(_dense(256)) == []
    assert _remarks(_dense(), n_workers=4, n_submodels=2) == []  # there is nothing to divide


def test_whoever_has_idle_workers_is_told_what_they_could_do():
    (line,) = _remarks(_dense(256), n_workers=5)
    assert line.startswith("5 workers, 1 trains at a time: n_submodels=4 has ")
    assert "n_groups=5, group_data='all', merge='ensemble' trains 5 models" in line
    assert "n_submodels=4 leaves" not in line
    assert _remarks(_dense(256), n_workers=4, n_groups=4) == []
    divided, line = _remarks(_dense(1024), n_workers=5, n_rows=ROWS)
    assert divided == "n_submodels='auto' divides this network in 4, which costs no accuracy"
    assert line.startswith("5 workers, 4 train at a time: n_groups=5, ")
    (line,) = _remarks(_dense(256), n_workers=8, n_groups=2, merge="ensemble", group_data="all")
    assert line.startswith("8 workers, 2 train at a time: ")


def test_remarks_are_logged_and_shown_to_those_who_watch(caplog, capfd):
    samples, settings = _samples(), {"n_submodels": 2, "n_rounds": 2, "steps_per_round": 2}
    horn.train(_dense(32), *samples, **settings)
    assert capfd.readouterr().err == ""
    with caplog.at_level(logging.INFO, "dask_horn"):
        horn.train(_dense(32), *samples, progress=True, **settings)
    told = re.findall("n_submodels=2 leaves a part 16 units.*", capfd.readouterr().err)
    assert len(told) == 1
    assert told[0] in caplog.messages


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_neither_threads_nor_who_computes_decide(scheduler):
    network, samples = _dense(512), _samples(ROWS)
    with dask.config.set(scheduler=scheduler, num_workers=4):
        result = horn.train(network, *samples, n_rounds=1, steps_per_round=2)
    assert result.history["n_submodels"].tolist() == [2]


def test_workers_that_idle_are_told_of(client, caplog):
    with caplog.at_level(logging.INFO, "dask_horn"):
        there = horn.train(_dense(32), *_samples(), n_rounds=2, steps_per_round=2)
    assert there.history["n_submodels"].tolist() == [1, 1]
    told = [line for line in caplog.messages if line.startswith("2 workers, 1 trains at a time: ")]
    assert len(told) == 1
