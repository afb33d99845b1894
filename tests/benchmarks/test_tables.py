"""Tables: their rows and splits, how recipes are scored, and what the figures come to."""

from __future__ import annotations

import copy
import io
import tarfile

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import log_loss, roc_auc_score

pytest.importorskip("benchmarks", reason="a source distribution has no benchmarks")

from click.testing import CliRunner

from benchmarks import benchmark as frame
from benchmarks.tables import BENCHMARK
from benchmarks.tables.__main__ import main
from benchmarks.tables.recipes import OURS, RECIPES, installed
from benchmarks.tables.run import classified, fitted, fresh, merge
from benchmarks.tables.section import render, summary
from benchmarks.tables.sets import (
    FOLDS,
    N_TRAIN,
    PARTS,
    SETS,
    Split,
    california_housing,
    diamonds,
    numbered,
    split_of,
)
from benchmarks.tables.summary import compared, errors, goals

_GENERATED = [name for name, table in SETS.items() if table.generate]
_OF_SCIKIT_LEARN = ["iris", "wine", "breast_cancer", "digits", "diabetes"]


@pytest.fixture
def folder(tmp_path):
    """A few rows of the tables that are read by code of this benchmark's own."""
    random = np.random.default_rng(0)
    n = 60
    names = ("longitude", "latitude", "housing_median_age", "total_rooms", "total_bedrooms",
             "population", "households", "median_income", "median_house_value")  # fmt: skip
    housing = pd.DataFrame({name: random.uniform(1, 100, n) for name in names})
    housing.loc[3, "total_bedrooms"] = np.nan
    housing["ocean_proximity"] = "INLAND"
    (tmp_path / "california_housing").mkdir()
    with tarfile.open(tmp_path / "california_housing" / "housing.tgz", "w:gz") as archive:
        text = housing.to_csv(index=False).encode()
        entry = tarfile.TarInfo("housing/housing.csv")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    stones = pd.DataFrame(
        {
            "carat": random.uniform(0.2, 2, n),
            "cut": ["Fair", "Ideal", "Good"] * 20,
            "color": ["D", "J"] * 30,
            "clarity": ["IF", "I1"] * 30,
            "price": random.integers(300, 9000, n),
        }
    )
    (tmp_path / "diamonds").mkdir()
    stones.to_csv(tmp_path / "diamonds" / "diamonds.csv.gz", index=False)
    return tmp_path


def test_california_has_the_eight_columns_of_scikit_learns_version(folder):
    X, y = california_housing(folder)
    with tarfile.open(folder / "california_housing" / "housing.tgz") as archive:
        frame_ = pd.read_csv(archive.extractfile("housing/housing.csv")).drop(index=3)
    assert X.shape == (59, 8)  # the row without total_bedrooms is dropped
    np.testing.assert_allclose(X[:, 2], frame_.total_rooms / frame_.households)
    np.testing.assert_allclose(X[:, 3], frame_.total_bedrooms / frame_.households)
    np.testing.assert_allclose(X[:, 5], frame_.population / frame_.households)
    np.testing.assert_allclose(y, frame_.median_house_value / 100_000)


def test_grades_of_diamonds_are_numbers_in_their_order(folder):
    X, y = diamonds(folder)
    assert X.shape == (60, 4)
    assert X[:3, 1].tolist() == [0, 4, 1]
    assert X[:2, 2].tolist() == [6, 0]
    assert X[:2, 3].tolist() == [7, 0]
    assert y.min() >= np.log(300)


def test_folds_of_california_test_every_row_once(folder):
    splits = [split_of(folder, FOLDS, "report", number) for number in range(5)]
    tested = np.concatenate([split.X_test for split in splits])
    X, _ = california_housing(folder)
    assert sorted(map(tuple, tested)) == sorted(map(tuple, X))


@pytest.mark.parametrize("name", [*_GENERATED, *_OF_SCIKIT_LEARN])
def test_splits_of_the_report_are_not_those_of_choosing(tmp_path, name):
    report, again, other, choosing = (
        split_of(tmp_path, name, part, number)
        for part, number in (("report", 0), ("report", 0), ("report", 1), ("choosing", 0))
    )
    assert len(report.X) == len(report.y) <= N_TRAIN
    assert len(report.X_test) == len(report.y_test)
    assert np.isfinite(report.X).all()
    np.testing.assert_array_equal(report.X, again.X)
    for one in (other, choosing):
        assert not np.array_equal(report.X, one.X)
    if not SETS[name].regression:  # all classes are in both, and numbered
        for y in (report.y, report.y_test):
            assert np.unique(y).tolist() == list(range(y.max() + 1))


def test_no_two_parts_can_have_a_seed_in_common():
    for first, second in zip(PARTS.values(), list(PARTS.values())[1:], strict=False):
        assert first + max(table.n_splits for table in SETS.values()) < second


def test_classes_with_a_single_training_row_are_left_out():
    y = np.array(["a", "b", "c", "a", "c", "b", "c"])
    X = np.arange(7.0)[:, None]
    split = numbered(X, y, np.array([0, 1, 2, 3, 4]), np.array([5, 6]))
    assert split.X[:, 0].tolist() == [0, 2, 3, 4]
    assert split.y.tolist() == [0, 1, 0, 1]
    assert split.X_test[:, 0].tolist() == [6]
    assert split.y_test.tolist() == [1]


@pytest.mark.parametrize("n_classes", [2, 4])
def test_probabilities_are_scored_as_by_scikit_learn(n_classes):
    random = np.random.default_rng(0)
    shares = random.dirichlet(np.ones(n_classes), 200)
    y = np.array([random.choice(n_classes, p=row) for row in shares])
    found = classified(y, shares)
    assert found["score"] == np.mean(shares.argmax(axis=1) == y)
    assert found["logloss"] == pytest.approx(log_loss(y, shares))
    of_classes = shares[:, 1] if n_classes == 2 else shares
    assert found["auroc"] == pytest.approx(roc_auc_score(y, of_classes, multi_class="ovr"))


def test_no_mistake_costs_more_than_the_least_probability():
    found = classified(np.array([0, 1, 1]), np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    assert found["logloss"] == pytest.approx(-np.log(1e-7) / 3, rel=1e-6)


def test_what_guesses_is_scored_as_such(tmp_path):
    iris = split_of(tmp_path, "iris", "choosing", 0)
    found = fitted(DummyClassifier(), False, iris)
    assert found["score"] == pytest.approx(1 / 3, abs=0.03)
    assert found["logloss"] == pytest.approx(np.log(3), abs=0.01)
    assert found["auroc"] == 0.5
    assert found["n_test"] == len(iris.X_test)
    values = Split(iris.X, iris.X[:, 0], iris.X_test, iris.X_test[:, 0])
    assert fitted(DummyRegressor(), True, values)["score"] == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("regression", [False, True])
@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if not recipe.slow])
def test_each_recipe_learns(tmp_path, name, regression):
    if not installed(name):
        pytest.skip(f"{RECIPES[name].package} is not there")
    X, y, X_test, y_test = split_of(tmp_path, "iris", "choosing", 0)
    split = Split(X, X[:, 2] if regression else y, X_test, X_test[:, 2] if regression else y_test)
    assert fitted(RECIPES[name].make(regression, 0, 1), regression, split)["score"] > 0.8


def _fits(*scores, logloss=0.5, cpu=1.0):
    return [
        {"score": score, "logloss": logloss, "auroc": 0.8, "cpu": cpu, "seconds": cpu, "n_test": 50}
        for score in scores
    ]


def _record(tables):
    names = {name for fits in tables.values() for name in fits}
    about = {"version": "some 1.0", "processor": "a processor", "date": "2026-01-01"}
    return {
        "recipes": {name: {"title": RECIPES[name].title, **about} for name in names},
        "speed": {OURS: [2.5, 1.5, 1.0]},
        "fits": {"report": tables},
    }


def test_a_ratio_is_the_mean_of_logarithms_over_tables():
    tables = {
        "iris": {OURS: _fits(0.9, 0.8), "xgboost": _fits(0.8, 0.8)},  # log 1/2, log 1
        "wine": {OURS: _fits(0.8, 0.8), "xgboost": _fits(0.9, 0.9)},  # log 2 twice
        "digits": {OURS: _fits(0.9, 0.9)},  # not fitted by both
        "linear": {OURS: _fits(0.9, 0.9), "xgboost": _fits(0.5, 0.5)},
    }
    ratio = compared(tables, OURS, "xgboost", regression=False)
    assert ratio.log == pytest.approx((-np.log(2) / 2 + np.log(2)) / 2)
    assert ratio.error == pytest.approx(np.std([-np.log(2), 0], ddof=1) / 2**0.5 / 2)
    assert (ratio.wins, ratio.n_tables) == (1, 2)
    assert (ratio.best, ratio.without) == ("iris", pytest.approx(np.log(2)))  # without our best
    assert compared(tables, OURS, "xgboost", regression=True).factor == pytest.approx(0.2)
    assert compared(tables, OURS, "realmlp") is None


def test_one_split_has_no_standard_error_and_slow_peers_may_have_fewer():
    tables = {"iris": {OURS: _fits(0.8, 0.9), "realmlp": _fits(0.9)}}
    assert compared(tables, OURS, "realmlp").told == "+69.3"


def test_no_error_is_zero_and_folds_do_not_count():
    assert errors(_fits(1.0), regression=False).tolist() == [0.01]
    assert errors(_fits(1.0), regression=True).tolist() == [1e-4]
    assert compared({FOLDS: {OURS: _fits(0.8), "xgboost": _fits(0.7)}}, OURS, "xgboost") is None


def test_goals_are_reached_missed_or_not_measured():
    tables = {
        "diamonds": {OURS: _fits(0.992, 0.992), "xgboost": _fits(0.99, 0.99)},
        "letter_recognition": {OURS: _fits(0.97, 0.97), "realmlp": _fits(0.97, 0.97, cpu=30)},
    }
    answers = {goal.what: (goal.figure, goal.reached) for goal in goals(_record(tables))}
    assert answers["error, regression: not above XGBoost's"][1] is True
    assert answers["error, classification: not above XGBoost's"] == ("", None)
    assert answers["error, classification: at most RealMLP-TD-S's + 15 %"][1] is True
    assert answers["time of a fit: at most 1/20 of RealMLP-TD-S's"] == ("1/30", True)
    assert answers["R² of diamonds: at least 99.1 %"] == ("99.20", True)
    assert answers["accuracy of letter_recognition: at least 97.8 %"] == ("97.00", False)
    speed = "a fit of 12,000 rows of 10 columns, two cores: at most 2 s"
    assert answers[speed] == ("1.50 s", True)


@pytest.mark.parametrize(("ours", "reached"), [((0.8, 0.9), True), ((0.8, 0.8), False)])
def test_worse_than_scikit_learns_network_is_what_noise_does_not_explain(ours, reached):
    record = _record({"iris": {OURS: _fits(*ours), "sklearn_mlp": _fits(0.88, 0.88)}})
    found = [goal for goal in goals(record) if "scikit-learn" in goal.what]
    assert [goal.reached for goal in found] == [reached]
    assert ("iris" in found[0].figure) != reached


def test_the_section_says_what_was_not_measured(tmp_path):
    record = _record({"iris": {OURS: _fits(0.9, 0.8), "lightgbm": _fits(0.8, 0.8, logloss=0.6)}})
    text = render(record, tmp_path)
    assert (
        "| LightGBM | classification | -34.7 ± 34.7 | -34.7 ± 34.7 |  | 1 of 1 | -18.2 ± 0.0"
        in text
    )
    assert "| iris | **85.00** | 80.00 |" in text
    assert "not measured" in text
    assert "LightGBM |" not in summary(record, "choosing")
    assert render(fresh(), tmp_path)


def test_what_runs_again_replaces_its_own_fits_alone():
    old = _record({"iris": {OURS: _fits(0.9), "xgboost": _fits(0.8)}})
    expected = copy.deepcopy(old["fits"]["report"]["iris"]["xgboost"])
    new = {"iris": {OURS: _fits(0.95)}, "wine": {OURS: _fits(0.7)}}
    merge(old, {**_record(new), "speed": {}})
    assert old["fits"]["report"]["iris"] == {OURS: _fits(0.95), "xgboost": expected}
    assert old["fits"]["report"]["wine"] == {OURS: _fits(0.7)}
    assert old["speed"] == {OURS: [2.5, 1.5, 1.0]}


def test_the_command_fits_what_is_asked_for_and_keeps_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr(frame, "QUICK", tmp_path / "quick")
    BENCHMARK.keep(_record({"iris": {OURS: _fits(0.9, 0.9)}}), "before", full=False)
    asked = ["--data", str(tmp_path), "--on", "iris", "--only", "sklearn_hist"]
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == 0, result.output
    fits = BENCHMARK.kept(full=False)["fits"]["report"]["iris"]
    assert fits[OURS] == _fits(0.9, 0.9)
    assert len(fits["sklearn_hist"]) == 2
    assert "| HistGradientBoosting | classification |" in result.output
    assert "HistGradientBoosting" in (tmp_path / "quick" / "RESULTS.md").read_text()
