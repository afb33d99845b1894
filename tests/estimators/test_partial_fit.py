"""Training goes on, chunk after chunk."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_multilabel_classification

from dask_horn import HornClassifier, HornRegressor
from tests.estimators.iris import NAMES, SMALL, VALUES, VALUES_X, X, Y


def test_partial_fit_does_one_round_more_each_time():
    clf = HornClassifier(**SMALL)
    for call in range(1, 6):
        clf.partial_fit(X, NAMES, classes=np.unique(NAMES) if call == 1 else None)
        assert clf.n_iter_ == call
    assert [record.round for record in clf.history_] == [1, 2, 3, 4, 5]
    assert {record.n_submodels for record in clf.history_} == {clf.n_submodels}
    assert clf.score(X, NAMES) > 0.9
    assert len({record.losses for record in clf.history_}) == 5
    again = HornClassifier(**SMALL)
    for _ in range(5):
        again.partial_fit(X, NAMES, classes=np.unique(NAMES))
    assert again.model_.parameters.tobytes() == clf.model_.parameters.tobytes()


@pytest.mark.parametrize(("decay", "shrinks"), [(None, False), (0.1, True)])
def test_partial_fit_shrinks_no_weights_unless_told(decay, shrinks):
    samples = X.copy()
    samples[:, 1] = 7  # no gradient
    clf = HornClassifier(**SMALL, weight_decay=decay)
    sizes = []
    for _ in range(3):
        weights = clf.partial_fit(samples, Y, classes=[0, 1, 2]).model_.parameters
        sizes.append(np.abs(clf.model_.network.parameters.view(weights, "dense_1/W")[1]).sum())
    assert (sizes[2] < sizes[1] < sizes[0]) == shrinks
    assert (sizes[2] == sizes[1] == sizes[0]) != shrinks


def test_partial_fit_freezes_what_the_first_call_saw():
    reg = HornRegressor(**SMALL).partial_fit(VALUES_X[:100], VALUES[:100])
    mean, targets = reg.model_.standardizer.mean, reg.model_.targets
    reg.partial_fit(VALUES_X[100:] * 50, VALUES[100:] * 50)
    assert_array_equal(reg.model_.standardizer.mean, mean)
    assert_allclose(mean, VALUES_X[:100].mean(axis=0))
    assert reg.model_.targets is targets


def test_partial_fit_goes_on_after_fit():
    clf = HornClassifier(**SMALL).fit(X, Y)
    score = clf.score(X, Y)
    clf.partial_fit(X[Y == 2], Y[Y == 2])  # a chunk may hold a single class
    assert clf.n_iter_ == 5
    assert clf.classes_.tolist() == [0, 1, 2]
    assert clf.fit(X, Y).n_iter_ == 4
    assert clf.score(X, Y) == score


def test_partial_fit_of_several_labels_needs_no_classes():
    samples, labels = make_multilabel_classification(n_samples=100, random_state=0)
    clf = HornClassifier(**SMALL).partial_fit(samples, labels).partial_fit(samples, labels)
    assert clf.predict(samples).shape == labels.shape


def test_partial_fit_knows_all_classes_from_the_start():
    clf = HornClassifier(**SMALL)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        clf.partial_fit(X, Y)
    clf.partial_fit(X[:50], Y[:50], classes=[2, 1, 0])
    assert clf.classes_.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="differ from those of the first call"):
        clf.partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="3, which is not among the classes"):
        clf.partial_fit(X, Y + 1)
