"""Classes and labels: found, predicted, scored, weighed and calibrated."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss

from dask_horn import HornClassifier, HornRegressor
from tests.estimators.iris import NAMES, SMALL, X, Y


def test_labels_are_found_and_predicted():
    clf = HornClassifier(**SMALL).fit(X, NAMES)
    assert clf.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert set(clf.predict(X)) <= set(NAMES)
    assert clf.score(X, NAMES) > 0.9
    probability = clf.predict_proba(X)
    assert probability.dtype == np.float32
    assert_array_equal(clf.classes_[probability.argmax(axis=1)], clf.predict(X))
    assert_allclose(clf.predict_log_proba(X), np.log(probability))


def test_many_classes_are_no_reason_to_warn():
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))[rng.permutation(520) % 26]
    samples = rng.normal(size=(520, 5))
    clf = HornClassifier(**SMALL).fit(samples, letters)  # a warning would be an error
    assert len(clf.classes_) == 26
    clf.partial_fit(samples, letters)


def test_a_classifier_is_calibrated_in_place():
    rng = np.random.default_rng(0)
    noisy = np.where(rng.random(Y.shape) < 0.2, rng.choice(NAMES, Y.size), NAMES)
    X_held, y_held = X[1::2], noisy[1::2]
    for merge in ("average", "ensemble"):
        settings = {**SMALL, "n_rounds": 20, "merge": merge}
        clf = HornClassifier(**settings, n_groups=2).fit(X[::2], noisy[::2])
        before, answers = log_loss(y_held, clf.predict_proba(X_held)), clf.predict(X)
        assert clf.calibrate(X_held, y_held) is clf
        assert log_loss(y_held, clf.predict_proba(X_held)) < before
        assert_array_equal(clf.predict(X), answers)
        assert clf.model_.temperature != 1
        assert pickle.loads(pickle.dumps(clf)).model_.temperature == clf.model_.temperature
        assert clf.fit(X[::2], noisy[::2]).model_.temperature == 1


def test_label_sets_are_calibrated():
    samples, labels = make_multilabel_classification(n_samples=300, n_classes=4, random_state=0)
    clf = HornClassifier(**SMALL).fit(samples[:200], labels[:200])
    assert clf.calibrate(samples[200:], labels[200:]).model_.temperature > 0
    assert clf.model_.temperature != 1


def test_wrong_samples_for_calibration_are_told():
    with pytest.raises(NotFittedError):
        HornClassifier(**SMALL).calibrate(X, NAMES)
    clf = HornClassifier(**SMALL).fit(X, NAMES)
    with pytest.raises(ValueError, match="the label 'rose', which is not among the classes"):
        clf.calibrate(X, np.append(NAMES[1:], "rose"))
    with pytest.raises(ValueError, match="expecting 4 features"):
        clf.calibrate(X[:, :2], NAMES)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        clf.calibrate(X[1:], NAMES)
    with pytest.raises(ValueError, match="requires y to be passed"):
        clf.calibrate(X)
    assert clf.model_.temperature == 1
    assert not hasattr(HornRegressor, "calibrate")


def test_several_labels_per_sample():
    samples, labels = make_multilabel_classification(n_samples=200, n_labels=3, random_state=0)
    clf = HornClassifier(**SMALL).fit(samples, labels)
    assert clf.model_.network.loss == "binary_cross_entropy"
    assert clf.classes_.tolist() == [0, 1, 2, 3, 4]
    assert_array_equal(clf.predict(samples), clf.predict_proba(samples) > 0.5)
    assert (clf.predict(samples) == labels).mean() > 0.75
    assert clf.score(samples, labels) == (clf.predict(samples) == labels).all(axis=1).mean()


def test_rare_classes_weigh_more_when_balanced():
    generator = np.random.default_rng(0)
    samples, labels = generator.normal(size=(400, 2)), np.arange(400) % 20 == 0
    samples[labels] += 1.0
    recall = {}
    for weight in (None, "balanced", {True: 19.0}):
        clf = HornClassifier(**SMALL, class_weight=weight).fit(samples, labels)
        recall[repr(weight)] = clf.predict(samples)[labels].mean()
    assert recall["'balanced'"] > recall["None"] + 0.3
    assert recall["{True: 19.0}"] > recall["None"] + 0.3


def test_labels_that_training_never_saw_count_as_wrong():
    known = Y < 2
    classifier = HornClassifier(**SMALL).fit(X[known], Y[known])
    seen = classifier.score(X[known], Y[known])
    assert classifier.score(X, Y) == pytest.approx(seen * known.mean())
