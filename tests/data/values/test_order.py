"""Rows and columns of pandas that come in another order are told of."""

from __future__ import annotations

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

import dask_horn as horn

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=list("abc"))
Y = (FRAME["a"] > 0).astype(int)
STIRRED = Y.sample(frac=1, random_state=0)


def _classifier():
    return horn.HornClassifier(hidden_layer_sizes=(4,), n_rounds=1, random_state=0)


@pytest.mark.parametrize("where", ["fit", "score", "validation_data", "lazy"])
def test_labels_of_rows_in_another_order_are_told(where):
    with pytest.warns(UserWarning, match="y has the index labels of X in another order"):
        if where == "fit":
            _classifier().fit(FRAME, STIRRED)
        elif where == "score":
            _classifier().fit(FRAME, Y).score(FRAME, STIRRED)
        elif where == "validation_data":
            _classifier().fit(FRAME, Y, validation_data=(FRAME, STIRRED))
        else:  # Dask sorts by the index
            stirred = FRAME.loc[STIRRED.index]
            _classifier().fit(dd.from_pandas(stirred, npartitions=2), STIRRED)


@pytest.mark.parametrize(
    "y", [Y, Y.reset_index(drop=True), STIRRED.reset_index(drop=True), Y.set_axis(range(9, 69))]
)
def test_nothing_is_told_where_labels_do_not_contradict(y):
    assert _classifier().fit(FRAME, y).n_iter_ == 1


def test_frames_of_dask_are_taken():
    lazy = dd.from_pandas(FRAME.assign(y=Y), npartitions=2)
    fitted = _classifier().fit(lazy[list("abc")], lazy["y"], validation_data=(FRAME, lazy["y"]))
    score = fitted.score(FRAME, Y)
    assert fitted.history_[-1].validation_score == score
    assert fitted.score(lazy[list("abc")], Y) == score
    assert _classifier().fit(FRAME, lazy["y"]).n_iter_ == 1


def test_validation_columns_in_another_order_are_refused():
    network = horn.Network([horn.Dense(4), horn.Dense(2)], input_shape=3)
    for frame in (FRAME, FRAME.set_axis(range(3), axis=1)):
        other = frame[list(frame.columns[::-1])]
        with pytest.raises(ValueError, match="validation_data: X has the columns"):
            horn.train(network, frame, Y, n_rounds=1, validation_data=(other, Y))
    horn.train(network, FRAME, Y, n_rounds=1, validation_data=(FRAME.to_numpy(), Y))
