"""Reliability diagrams show how often what is predicted has happened."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot, style
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

import dask_horn as horn
from tests.diagnostics.rendered import assert_readable, figure

SETTINGS = {"n_groups": 2, "n_submodels": [2, 1], "n_rounds": 2, "merge": "ensemble"}


def _trained(load, n_outputs: int, **options):
    """An ensemble, and rows that it has not seen."""
    X, y = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    seen, unseen = np.split(order, [len(X) // 2])
    network = horn.Network(
        [horn.Dense(32, activation="relu"), horn.Dense(n_outputs)], X.shape[1], **options
    )
    return horn.train(network, X[seen], y[seen], **SETTINGS).model, X[unseen], y[unseen]


@pytest.fixture(scope="module")
def digits():
    return _trained(load_digits, 10)


@pytest.fixture(scope="module")
def cancer():
    return _trained(load_breast_cancer, 2)


@pytest.fixture(scope="module")
def diabetes():
    return _trained(load_diabetes, 1, loss="squared_error")


def _points(axes) -> np.ndarray:
    return next(line for line in axes.get_lines() if line.get_marker() == "o").get_xydata()


def _heading(axes) -> str:
    axes.figure.canvas.draw()
    return axes.texts[-1].get_text()


def test_of_two_classes_it_is_the_probability_of_the_second(cancer):
    model, X, y = cancer
    axes = model.plot_calibration(X, y, ax=figure(800).subplots(), n_bins=5)
    share, predicted = calibration_curve(y, model.predict_proba(X)[:, 1], n_bins=5)
    np.testing.assert_allclose(_points(axes), np.stack([predicted, share], axis=1), atol=1e-6)
    (below,) = axes.child_axes
    assert (below.get_xlabel(), axes.get_ylabel()) == ("probability of 1", "share of 1")
    assert sum(bar.get_height() for bar in below.patches) == len(y)


def test_of_more_classes_it_is_the_confidence_beside_the_accuracy(digits):
    model, X, y = digits
    pair = figure(800).subplots(2, 1)
    assert model.plot_calibration(X, y, ax=pair) is pair[0]
    p = model.predict_proba(X)
    right = p.argmax(axis=1) == y
    share, predicted = calibration_curve(right, p.max(axis=1), n_bins=10)
    np.testing.assert_allclose(_points(pair[0]), np.stack([predicted, share], axis=1), atol=1e-6)
    counts = np.histogram(p.max(axis=1), np.linspace(0, 1, 11))[0]
    error = np.sum(counts[counts > 0] * np.abs(share - predicted)) / len(y)
    assert _heading(pair[0]) == f"expected calibration error {error:.3f}"
    assert (pair[1].get_xlabel(), pair[0].get_ylabel()) == ("confidence", "accuracy")


def test_what_is_calibrated_is_drawn_before_and_after(digits):
    model, X, y = digits
    fitted = model.calibrate(X[:400], y[:400])
    axes = fitted.plot_calibration(X[400:], y[400:], ax=figure(800).subplots())
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words == ["before", f"temperature {fitted.temperature:.2f}"]
    (before,) = [line for line in axes.get_lines() if line.get_label() == "before"]
    plain = model.plot_calibration(X[400:], y[400:], ax=Figure().subplots())
    np.testing.assert_allclose(before.get_xydata(), _points(plain))
    assert "before calibration)" in _heading(axes)
    assert plain.get_legend() is None


def test_every_label_counts_by_itself():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)).astype(np.float32)
    y = (X[:, :3] > 0).astype(int)
    network = horn.Network([horn.Dense(8, "relu"), horn.Dense(3)], 4, loss="binary_cross_entropy")
    model = horn.train(network, X, y, n_rounds=1).model
    axes = model.plot_calibration(X, y, ax=Figure().subplots())
    share, predicted = calibration_curve(y.ravel(), model.predict_proba(X).ravel(), n_bins=10)
    np.testing.assert_allclose(_points(axes), np.stack([predicted, share], axis=1), atol=1e-6)
    assert sum(bar.get_height() for bar in axes.child_axes[0].patches) == y.size


def test_of_values_it_is_the_quantiles_of_the_members_spread(diabetes):
    model, X, y = diabetes
    axes = model.plot_calibration(X, y, ax=figure(800).subplots())
    mean, std = model.predict(X, return_std=True)
    below = [np.mean(y < mean + z * std) for z in (-0.8416, 0.0, 0.8416)]  # quantiles .2, .5, .8
    np.testing.assert_allclose(_points(axes)[[1, 4, 7], 1], below, atol=0.006)
    assert _heading(axes).startswith("mean calibration error of quantiles")


def test_one_model_of_values_has_no_spread(diabetes):
    model, X, y = diabetes
    with pytest.raises(ValueError, match="plot_calibration of values needs an ensemble"):
        model.members[0].plot_calibration(X, y)


def test_what_does_not_fit_is_refused(digits):
    model, X, y = digits
    with pytest.raises(ValueError, match="n_bins must be"):
        model.plot_calibration(X, y, n_bins=1)
    with pytest.raises(TypeError, match="y is missing"):
        model.plot_calibration(X)
    with pytest.raises(ValueError, match=r"length|samples"):
        model.plot_calibration(X, y[:-1])


def test_a_new_figure_has_both_panels(cancer):
    pyplot.switch_backend("Agg")
    model, X, y = cancer
    axes = model.plot_calibration(X, y)
    assert len(axes.figure.axes) == 2
    pyplot.close("all")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("panels", [1, 2])
def test_texts_can_be_read(cancer, diabetes, digits, panels, width, dark):
    with style.context("dark_background" if dark else "default"):
        for model, X, y in (cancer, diabetes, digits):
            drawn = figure(width, 400)
            for axes in np.ravel(drawn.subplots(1, panels)):
                model.plot_calibration(X, y, ax=axes)
            assert_readable(drawn)
