"""The estimators do what scikit-learn's users expect, on samples in memory."""

from __future__ import annotations

import importlib
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from dask.tokenize import tokenize
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import dask_horn as horn
from dask_horn import Dense, DivergedError, Dropout, Ensemble, HornClassifier, HornRegressor, Model
from dask_horn.training import TrainingOptions

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
VALUES_X, VALUES = load_diabetes(return_X_y=True)
SMALL = {"hidden_layer_sizes": (16,), "n_rounds": 4, "learning_rate": 0.02, "random_state": 0}
ESTIMATORS = pytest.mark.parametrize("make", [HornClassifier, HornRegressor])


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


def test_what_fitting_has_found():
    frame = pd.DataFrame(X, columns=list("abcd"))
    clf = HornClassifier(**SMALL).fit(frame, NAMES)
    assert (clf.n_features_in_, clf.n_outputs_, clf.n_iter_) == (4, 3, 4)
    assert clf.feature_names_in_.tolist() == list("abcd")
    assert [record.round for record in clf.history_] == [1, 2, 3, 4]
    assert clf.loss_ == clf.history_[-1].loss < clf.history_[0].loss
    assert isinstance(clf.model_, Model)
    with pytest.raises(ValueError, match="same order"):
        clf.predict(frame[list("dcba")])


def test_defaults_are_those_of_training():
    defaults = TrainingOptions()
    parameters = HornClassifier().get_params() | HornRegressor().get_params()
    shared = parameters.keys() & vars(defaults).keys() - {"random_state"}
    assert len(shared) >= 20
    for name in shared:
        assert parameters[name] == getattr(defaults, name), name


@ESTIMATORS
def test_every_parameter_is_documented_with_its_default(make):
    for name, value in make().get_params().items():
        assert f"\n{name} : " in make.__doc__
        assert f"default {value!r}\n" in make.__doc__
    assert "{parameters}" not in make.__doc__


@ESTIMATORS
def test_the_same_seed_gives_the_same_bits(make):
    first, second, other = (
        make(**{**SMALL, "random_state": seed}).fit(X, Y).model_.parameters.tobytes()
        for seed in (1, 1, 2)
    )
    assert first == second != other


def test_random_states_are_drawn_from_once_per_fit():
    state = np.random.RandomState(5)
    clf = HornClassifier(**{**SMALL, "random_state": state})
    first, second = (
        clf.fit(X, Y).model_.parameters.tobytes(),
        clf.fit(X, Y).model_.parameters.tobytes(),
    )
    assert first != second
    again = HornClassifier(**{**SMALL, "random_state": np.random.RandomState(5)}).fit(X, Y)
    assert again.model_.parameters.tobytes() == first
    HornClassifier(**{**SMALL, "random_state": None}).fit(X, Y)


def test_an_estimator_trains_as_the_function_does():
    network = horn.Network([Dense(16, activation="relu"), Dense(3)], input_shape=4)
    settings = {name: SMALL[name] for name in ("n_rounds", "learning_rate", "random_state")}
    result = horn.train(network, X, Y, **settings)
    clf = HornClassifier(**SMALL, dropout=0.0).fit(X, Y)
    assert_array_equal(clf.model_.parameters, result.model.parameters)


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


def test_layers_take_the_place_of_sizes():
    layers = [Dense(12, activation="tanh"), Dropout(0.2), Dense(8, activation="gelu")]
    clf = HornClassifier(**{**SMALL, "hidden_layer_sizes": (99,)}, layers=layers).fit(X, Y)
    assert clf.model_.network.layers == (*layers, Dense(3))
    sized = HornClassifier(
        **{**SMALL, "hidden_layer_sizes": [6, 5]}, activation="tanh", dropout=0.5, dropconnect=0.25
    )
    hidden = [Dense(units, "tanh", dropconnect=0.25) for units in (6, 5)]
    expected = (hidden[0], Dropout(0.5), hidden[1], Dropout(0.5), Dense(3))
    assert sized.fit(X, Y).model_.network.layers == expected


def test_an_output_layer_among_the_hidden_ones_is_told():
    layers = [Dense(12, activation="tanh"), Dense(3)]
    with pytest.warns(UserWarning, match=r"layers end with Dense\(3\), .* leave this one out"):
        clf = HornClassifier(**SMALL, layers=layers).fit(X, Y)
    assert clf.model_.network.layers == (*layers, Dense(3))


def test_without_hidden_layers_the_model_is_linear():
    reg = HornRegressor(**{**SMALL, "hidden_layer_sizes": ()}).fit(VALUES_X, VALUES)
    assert reg.model_.network.layers == (Dense(1),)
    middle = reg.predict(VALUES_X[:1] / 2 + VALUES_X[1:2] / 2)
    assert_allclose(middle, reg.predict(VALUES_X[:2]).mean(keepdims=True), rtol=1e-4)


def test_images_need_not_be_flattened():
    images = np.random.default_rng(0).integers(0, 255, (60, 5, 4), dtype=np.uint8)
    labels = images[:, 0, 0] > 127
    clf = HornClassifier(**SMALL).fit(images, labels)
    assert clf.n_features_in_ == 20
    assert clf.model_.network.input_shape == (5, 4)
    assert_array_equal(clf.predict(images), clf.predict(images.reshape(60, 20)))
    with pytest.raises(ValueError, match="X has 10 features, but HornClassifier is expecting 20"):
        clf.predict(images[:, :, :2])


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


def test_several_values_per_sample():
    both = np.stack([VALUES, -1000 * VALUES], axis=1)
    reg = HornRegressor(**SMALL).fit(VALUES_X, both)
    assert reg.n_outputs_ == 2
    assert reg.predict(VALUES_X).shape == both.shape
    assert reg.score(VALUES_X, both) > 0.4


def test_a_column_of_targets_is_one_target_and_warned_about():
    for make, y in ((HornClassifier, NAMES), (HornRegressor, VALUES[:150])):
        with pytest.warns(DataConversionWarning, match="column-vector"):
            column = make(**SMALL).fit(X, y[:, None])
        assert (
            column.model_.parameters.tobytes()
            == make(**SMALL).fit(X, y).model_.parameters.tobytes()
        )
        assert column.predict(X).shape == (150,)


def test_huber_minds_outliers_less():
    generator = np.random.default_rng(0)
    samples = generator.normal(size=(300, 3))
    clean = samples @ [1.0, 2.0, 3.0]
    dirty = np.where(np.arange(300) % 20 == 0, clean + 500, clean)
    settings = {**SMALL, "hidden_layer_sizes": (), "n_rounds": 10}
    error = {
        loss: np.median(
            np.abs(
                HornRegressor(**settings, loss=loss).fit(samples, dirty).predict(samples) - clean
            )
        )
        for loss in ("squared_error", "huber")
    }
    assert error["huber"] < error["squared_error"]


def test_ensembles_tell_their_spread():
    settings = {**SMALL, "merge": "ensemble", "n_groups": 3, "group_data": "all"}
    clf = HornClassifier(**settings).fit(X, Y)
    assert isinstance(clf.model_, Ensemble)
    assert len(clf.model_.members) == 3
    assert clf.score(X, Y) > 0.9
    assert not hasattr(clf, "partial_fit")
    mean, std = HornRegressor(**settings).fit(VALUES_X, VALUES).predict(VALUES_X, return_std=True)
    assert mean.shape == std.shape == VALUES.shape
    assert (std > 0).all()


def test_validation_data_are_scored_after_each_round():
    train_x, held_x, train_y, held_y = train_test_split(X, NAMES, random_state=0, stratify=NAMES)
    clf = HornClassifier(**SMALL).fit(train_x, train_y, validation_data=(held_x, held_y))
    scores = clf.history_.column("validation_score")
    assert len(scores) == 4
    assert scores[-1] == pytest.approx(clf.score(held_x, held_y))
    with pytest.raises(ValueError, match="validation_data: X has 2 features, but Horn"):
        clf.fit(train_x, train_y, validation_data=(held_x[:, :2], held_y))
    with pytest.raises(ValueError, match=r"validation_data: .*'rose', which is not among"):
        clf.fit(train_x, train_y, validation_data=(held_x, np.full(len(held_x), "rose")))
    with pytest.raises(TypeError, match="validation_data must be a pair"):
        clf.fit(train_x, train_y, validation_data=held_x)


def test_early_stopping_ends_before_all_rounds():
    clf = HornClassifier(
        **{**SMALL, "n_rounds": 40},
        early_stopping=True,
        n_iter_no_change=2,
        validation_fraction=0.2,
    ).fit(X, Y)
    assert clf.n_iter_ < 40
    assert clf.history_[-1].validation_score is not None


def test_fitting_goes_on_from_a_saved_model(tmp_path):
    first = HornClassifier(**{**SMALL, "n_rounds": 8}).fit(X * 1000, NAMES)
    first.model_.save(tmp_path / "model.zarr")
    saved = horn.load(tmp_path / "model.zarr")
    two_kinds = NAMES != "setosa"
    again = HornClassifier(**{**SMALL, "n_rounds": 1, "learning_rate": 1e-4})
    again.fit(X[two_kinds] * 1000, NAMES[two_kinds], initial=saved)
    assert again.classes_.tolist() == first.classes_.tolist()
    assert_array_equal(again.model_.standardizer.mean, saved.standardizer.mean)
    assert (again.predict(X * 1000) == first.predict(X * 1000)).mean() > 0.95
    assert again.history_[0].loss < np.log(3) / 2  # log 3 is what an untrained model has


def test_what_cannot_be_gone_on_from_is_told():
    model = HornClassifier(**SMALL).fit(X, Y).model_
    with pytest.raises(
        ValueError, match=r"initial has the network Network.*pass layers=initial.network"
    ):
        HornClassifier(hidden_layer_sizes=(8,)).fit(X, Y, initial=model)
    with pytest.raises(ValueError, match="initial has the network Network"):
        HornRegressor(**SMALL).fit(X, np.stack([Y, Y, Y], axis=1), initial=model)
    with pytest.raises(ValueError, match="which is not among the classes"):
        HornClassifier(**SMALL).fit(X, Y + 1, initial=model)
    with pytest.raises(ValueError, match="merge='ensemble' starts each member anew"):
        HornClassifier(**SMALL, merge="ensemble").fit(X, Y, initial=model)
    with pytest.raises(TypeError, match="initial must be a Model, got str"):
        HornClassifier(**SMALL).fit(X, Y, initial="model.zarr")


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


def test_clip_norm_bounds_how_far_a_step_goes():
    def after(clip_norm):
        clf = HornClassifier(**SMALL, optimizer="sgd", weight_decay=0.0, clip_norm=clip_norm)
        return clf.partial_fit(X, Y, classes=[0, 1, 2]).model_.parameters

    still = after(1e-12)
    assert np.linalg.norm(after(1e-9) - still) < 1e-6
    assert np.linalg.norm(after(None) - still) > 0.1


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


@ESTIMATORS
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_the_first_sample_that_is_not_finite_is_named(make, bad):
    holed = X.copy()
    holed[[7, 70], 2] = bad
    word = "NaN" if np.isnan(bad) else "infinity"
    for samples in (holed, holed.tolist(), pd.DataFrame(holed)):
        with pytest.raises(ValueError, match=f"X holds {word} at sample 7, feature 2"):
            make(**SMALL).fit(samples, Y)
    for stop in (True, False):
        estimator = make(**SMALL, early_stopping=stop)
        with pytest.raises(ValueError, match=f"X holds {word} at sample 7, feature 2"):
            estimator.fit(holed, Y)
        with pytest.raises(ValueError, match=f"validation_data: X holds {word} at sample 7"):
            estimator.fit(X, Y, validation_data=(holed, Y))
    estimator = make(**SMALL).fit(X, Y)
    with pytest.raises(ValueError, match="NaN or infinity at sample 7"):
        estimator.predict(holed)


@ESTIMATORS
def test_the_first_target_that_is_missing_is_named(make):
    y = Y.astype(float)
    y[[7, 70]] = np.nan
    with pytest.raises(ValueError, match=r"y holds (NaN|no class) at sample 7"):
        make(**SMALL).fit(X, y)
    y = np.eye(3)[Y]
    y[[7, 70], 1] = np.nan
    with pytest.raises(ValueError, match="y holds NaN at sample 7, output 1"):
        make(**SMALL).fit(X, y)


@ESTIMATORS
def test_values_of_samples_in_memory_are_looked_at_once(make, monkeypatch):
    looked = []

    def note(values, *_, **__):
        looked.extend([values] if np.shape(values) == X.shape else [])

    monkeypatch.setattr("sklearn.utils.validation._assert_all_finite", note)
    for name in ("intake.sources", "survey.summary"):
        module = importlib.import_module(f"dask_horn.data.{name}")
        monkeypatch.setattr(module, "first_not_finite", note)
    make(**SMALL).fit(X, Y)
    assert len(looked) == 1


@ESTIMATORS
def test_a_failed_fit_leaves_nothing_behind(make, monkeypatch):
    estimator = make(**SMALL)
    before = dict(vars(estimator))
    for samples, y in ((X[:, :3], Y[:-1]), (np.where(X > 7, np.nan, X), Y), (X, None)):
        with pytest.raises(ValueError):
            estimator.fit(samples, y)
        assert vars(estimator) == before
        with pytest.raises(NotFittedError):
            estimator.predict(X)
    estimator.fit(X, Y)
    predicted = estimator.predict(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numbers overflow on their way to NaN
        estimator.set_params(optimizer="sgd", learning_rate=1e30, momentum=0.0)
        with pytest.raises(DivergedError):
            estimator.fit(X[:, :2], Y)
    assert estimator.n_features_in_ == 4
    assert_array_equal(estimator.predict(X), predicted)


BAD_PARAMETERS = [
    ({"hidden_layer_sizes": 5.5}, TypeError, "hidden_layer_sizes must be an integer of at least 1"),
    ({"hidden_layer_sizes": "ab"}, TypeError, "hidden_layer_sizes must be an integer"),
    (
        {"hidden_layer_sizes": (8, 0)},
        ValueError,
        r"hidden_layer_sizes\[1\] must be an integer of at least 1, got 0",
    ),
    ({"layers": [3]}, TypeError, r"layers\[0\] must be a layer"),
    (
        {"layers": Dense(3)},
        TypeError,
        r"layers must be a list or a tuple of layers, got Dense\(3\)",
    ),
    ({"layers": iter([Dense(3)])}, TypeError, "layers must be a list or a tuple of layers, got <"),
    ({"layers": "Dense(3)"}, TypeError, "layers must be a list or a tuple of layers, got 'Dense"),
    ({"clip_norm": np.inf}, ValueError, "clip_norm must be a finite number above 0, got inf"),
    ({"activation": "swish"}, ValueError, "activation must be one of 'relu', 'tanh'"),
    (
        {"dropconnect": 1},
        ValueError,
        "dropconnect must be a number of at least 0 and below 1, got 1",
    ),
    ({"dropout": 1}, ValueError, "dropout must be a number of at least 0 and below 1, got 1"),
    ({"n_submodels": 17}, ValueError, "n_submodels=17 is more than the 16 units of"),
    ({"n_groups": 500}, ValueError, "n_groups=500 is more than the 150 samples"),
    ({"n_rounds": 0}, ValueError, "n_rounds must be an integer of at least 1, got 0"),
    ({"learning_rate": -1}, ValueError, "learning_rate must be a finite number above 0, got -1"),
    ({"merge": "sum"}, ValueError, "merge must be one of 'average', 'ensemble', got 'sum'"),
    ({"random_state": -1}, ValueError, "random_state must be an integer of at least 0, got -1"),
    (
        {"checkpoint": "c", "random_state": None},
        ValueError,
        "checkpoint='c' needs an integer random_state",
    ),
]


@pytest.mark.parametrize(("parameters", "error", "message"), BAD_PARAMETERS)
@ESTIMATORS
def test_bad_parameters_are_told(make, parameters, error, message):
    with pytest.raises(error, match=message):
        make(**{**SMALL, **parameters}).fit(X, Y)


def test_bad_targets_are_told():
    with pytest.raises(ValueError, match=r"y holds only one class \(1\); training needs"):
        HornClassifier(**SMALL).fit(X, np.ones(150, int))
    with pytest.raises(ValueError, match="class_weight names 7, which is not among"):
        HornClassifier(**SMALL, class_weight={7: 2.0}).fit(X, Y)
    with pytest.raises(ValueError, match="loss must be one of 'squared_error', 'huber', got 'l1'"):
        HornRegressor(**SMALL, loss="l1").fit(X, Y)
    with pytest.raises(TypeError, match=r"X is a Zarr group or its path.*use dask_horn.train"):
        HornClassifier(**SMALL).fit("iris.zarr", None)


def test_a_checkpoint_is_gone_on_from(tmp_path):
    settings = {**SMALL, "checkpoint": str(tmp_path / "run")}
    whole = HornClassifier(**settings).fit(X, Y)
    assert (
        HornClassifier(**settings).fit(X, Y).model_.parameters.tobytes()
        == whole.model_.parameters.tobytes()
    )
    with pytest.raises(ValueError, match="belongs to a run with another learning_rate"):
        HornClassifier(**{**settings, "learning_rate": 0.5}).fit(X, Y)


def test_progress_is_shown_when_asked_for(capsys):
    HornClassifier(**SMALL).fit(X, Y)
    assert capsys.readouterr() == ("", "")
    HornClassifier(**SMALL, verbose=True).fit(X, Y)
    told = capsys.readouterr()
    assert "4" in told.out + told.err


@ESTIMATORS
def test_clones_and_pickles(make):
    estimator = make(**SMALL, layers=[Dense(8, activation="relu")]).fit(X, Y)
    copy = clone(estimator)
    assert repr(copy) == repr(estimator)
    assert not hasattr(copy, "model_")
    again = pickle.loads(pickle.dumps(estimator))
    assert_array_equal(again.predict(X), estimator.predict(X))
    again.partial_fit(X, Y)
    assert again.n_iter_ == 5


def test_dask_tells_one_fit_from_another():
    """Tasks that take an estimator are not mixed up: its fields alone would not tell."""
    unfitted = HornClassifier(**SMALL)
    fitted = clone(unfitted).fit(X, Y)
    other = clone(unfitted).fit(X, Y[::-1])
    assert len({tokenize(estimator) for estimator in (unfitted, fitted, other)}) == 3
    assert tokenize(unfitted) == tokenize(HornClassifier(**SMALL))


def test_labels_that_training_never_saw_count_as_wrong():
    known = Y < 2
    classifier = HornClassifier(**SMALL).fit(X[known], Y[known])
    seen = classifier.score(X[known], Y[known])
    assert classifier.score(X, Y) == pytest.approx(seen * known.mean())
