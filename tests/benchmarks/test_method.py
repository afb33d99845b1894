"""The arithmetic and wording of the studies' tables."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("benchmarks", reason="a source distribution has no benchmarks")

from benchmarks.generated import GENERATED, N_TEST
from benchmarks.method import choosing, concentration, defaults, dividing
from benchmarks.method.study import Record


def test_idle_share_weighs_waiting_by_the_slowest_part():
    assert concentration.idle_share([[1.0, 3.0], [2.0, 2.0]]) == pytest.approx(0.2)
    assert concentration.idle_share([[2.0, 2.0]]) == 0.0


def test_rounds_are_written_by_their_lengths():
    assert dividing.run_lengths([2, 2, 2, 1]) == "3 × 2, 1 × 1"


def _fold(data: str, fold: int, theirs: float, ours: float) -> Record:
    measured = {"theirs": theirs, "ours": ours, "theirs_seconds": 1.0, "ours_seconds": 2.0}
    return Record({"data": data, "fold": fold}, measured, 3.0)


def test_a_data_set_may_be_behind_by_two_standard_errors():
    noisy = [_fold("iris", 0, 96, 90), _fold("iris", 1, 90, 93)]  # -1.5 ± 4.5
    even = [_fold("wine", 0, 95, 97), _fold("diabetes", 0, 40, 40)]
    assert defaults.render([*noisy, *even]).endswith("It holds.")


def test_the_verdict_names_what_is_behind():
    text = defaults.render([_fold("iris", 0, 96, 94.5), _fold("diabetes", 0, 40, 41)])
    assert "the mean over classification is below" in text
    assert "iris is below by more than its bound" in text
    assert "diabetes is below" not in text


def test_candidates_are_compared_by_data_set():
    records = [
        Record({"data": data, "candidate": candidate}, {"scores": scores, "seconds": [1.0]}, 1.0)
        for data, candidate, scores in (
            ("iris", "sklearn", [90.0, 92.0]),
            ("friedman2", "sklearn", [50.0]),
            ("iris", "{}", [91.0, 95.0]),
            ("friedman2", "{}", [48.0]),
        )
    ]
    table = choosing.render(records)
    assert "| iris (accuracy) | 91.00 | +2.00 ± 1.00 |" in table
    assert "| friedman2 (R²) | 50.00 | -2.00 |" in table
    assert "| worst |  | -2.00 |" in table


@pytest.mark.parametrize("name", GENERATED)
def test_generated_data_sets_are_made_by_their_seed(name):
    split, again, other = (GENERATED[name].draw(seed) for seed in (0, 0, 1))
    assert len(split.X_train) == len(split.y_train) == GENERATED[name].n_train
    assert len(split.X_test) == N_TEST
    np.testing.assert_array_equal(split.X_test, again.X_test)
    assert not np.array_equal(split.X_test, other.X_test)


def test_inner_folds_keep_away_from_the_fifth_set_aside(tmp_path):
    splits = list(choosing.splits(tmp_path, "iris"))
    tested = np.concatenate([split.X_test for split in splits])
    assert len(splits) == 5 and len(tested) == 120
