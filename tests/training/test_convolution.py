"""Convolutional networks from samples to a saved model: as any other network."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

import dask_horn as horn

HIDDEN = [
    horn.Conv2D(16, 3, padding="same", activation="relu"),
    horn.MaxPool2D(2),
    horn.Dropout(0.1),
    horn.Conv2D(32, 3, activation="relu"),
    horn.Flatten(),
    horn.Dense(64, activation="relu"),
]
NETWORK = horn.Network([*HIDDEN, horn.Dense(10)], (8, 8, 1))
SHORT = {"n_submodels": 2, "n_rounds": 3, "steps_per_round": 6, "random_state": 1}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    return X[order].astype("uint8"), y[order]


def test_digits_are_learned_by_divided_filters(digits):
    X, y = digits
    result = horn.train(
        NETWORK, X[:1400], y[:1400], validation_data=(X[1400:], y[1400:]), n_rounds=10,
        n_submodels=2,
    )  # fmt: skip
    assert [record.n_submodels for record in result.history][:3] == [2, 2, 2]
    assert result.history[-1].validation_score > 0.95


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1)])
def test_samples_may_be_rows_or_images_with_or_without_channels(digits, shape):
    X, y = digits
    rows, images = (horn.train(NETWORK, x, y, **SHORT) for x in (X, X.reshape(-1, *shape)))
    np.testing.assert_array_equal(
        rows.model.predict_proba(X), images.model.predict_proba(X.reshape(-1, *shape))
    )


def test_pixels_share_their_statistics(digits):
    X, y = digits
    model = horn.train(NETWORK, X, y, **SHORT).model
    assert np.ptp(model.standardizer.mean) == np.ptp(model.standardizer.scale) == 0


def test_a_model_comes_back_from_a_store(digits, tmp_path):
    X, y = digits
    model = horn.train(NETWORK, X, y, **SHORT).model
    model.save(f"{tmp_path}/model.zarr")
    again = horn.load(f"{tmp_path}/model.zarr")
    assert again.network == NETWORK
    assert again.tensor("conv2d_2/W").shape == (3, 3, 16, 32)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_a_checkpoint_goes_on_to_the_same_bits(digits, tmp_path):
    X, y = digits

    class Stop(horn.Callback):
        def on_round_end(self, record):
            if record.round == 2:
                raise StopIteration

    options = {**SHORT, "n_groups": 2, "checkpoint_every": 1}
    whole = horn.train(NETWORK, X, y, **options)
    horn.train(NETWORK, X, y, checkpoint=f"{tmp_path}/run", callbacks=[Stop()], **options)
    resumed = horn.train(NETWORK, X, y, checkpoint=f"{tmp_path}/run", **options)
    assert resumed.model.parameters.tobytes() == whole.model.parameters.tobytes()


def test_an_ensemble(digits):
    X, y = digits
    result = horn.train(NETWORK, X, y, n_groups=2, merge="ensemble", **SHORT)
    assert len(result.model.members) == 2
    assert result.model.predict_proba(X[:5]).shape == (5, 10)


def test_the_estimators_take_convolutions(digits):
    X, y = digits
    images = X.reshape(-1, 8, 8, 1)
    classifier = horn.HornClassifier(layers=HIDDEN, n_rounds=8, random_state=0)
    classifier.fit(images[:1400], y[:1400])
    assert classifier.score(images[1400:], y[1400:]) > 0.9
    assert classifier.model_.network.divided_axes == ("conv2d_1", "conv2d_2", "dense_1")
    with pytest.raises(ValueError, match=r"^Conv2D takes images .* got the shape \(64,\)"):
        horn.HornClassifier(layers=HIDDEN).fit(X, y)
