"""Validation samples in a Pipeline: transformed as the others are, or refused."""

import numpy as np
import pytest
import sklearn
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from dask_horn import HornClassifier, HornRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 2))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
X = 100 * X + 500
TRAIN, HELD = slice(400), slice(400, None)
PAIR = (X[HELD], Y[HELD])


def _classifier(**parameters):
    return HornClassifier(
        hidden_layer_sizes=16, n_rounds=4, random_state=0, standardize=False, **parameters
    )


class TrainsInside(StandardScaler):
    """Holds out transformed samples itself."""

    def fit(self, X, y=None):
        super().fit(X)
        Z = self.transform(X)
        self.inner_ = _classifier().fit(Z[:300], y[:300], validation_data=(Z[300:], y[300:]))
        return self


@pytest.mark.parametrize("Estimator", [HornClassifier, HornRegressor])
def test_a_pipeline_transforms_validation_samples(Estimator):
    last = Estimator(hidden_layer_sizes=16, n_rounds=4, random_state=0, standardize=False)
    with sklearn.config_context(enable_metadata_routing=True):
        last.set_fit_request(X_val=True, y_val=True)
        steps = [("scale", StandardScaler()), ("last", last)]
        pipeline = Pipeline(steps, transform_input=["X_val"])
        pipeline.fit(X[TRAIN], Y[TRAIN], X_val=X[HELD], y_val=Y[HELD])
        told = pipeline["last"].history_[-1].validation_score
        assert told == pytest.approx(pipeline.score(*PAIR), abs=1e-5)


@pytest.mark.parametrize("given", ["validation_data", "X_val"])
def test_samples_that_are_not_transformed_are_refused(given):
    pipeline = Pipeline([("scale", StandardScaler()), ("last", _classifier())])
    pair = {"last__X_val": X[HELD], "last__y_val": Y[HELD]}
    arguments = pair if given == "X_val" else {"last__validation_data": PAIR}
    with pytest.raises(ValueError, match=rf"{given} holds samples .* transform_input=\['X_val'\]"):
        pipeline.fit(X[TRAIN], Y[TRAIN], **arguments)


def test_pipelines_that_transform_nothing_may_have_validation_data():
    pipeline = Pipeline([("nothing", "passthrough"), ("last", _classifier())])
    pipeline.fit(X[TRAIN], Y[TRAIN], last__validation_data=PAIR)
    assert pipeline["last"].history_[-1].validation_score == pipeline.score(*PAIR)


def test_a_step_may_train_on_what_it_has_transformed_itself():
    pipeline = Pipeline([("inside", TrainsInside()), ("last", _classifier())])
    assert pipeline.fit(X[TRAIN], Y[TRAIN])["inside"].inner_.history_[-1].validation_score > 0


def test_both_ways_say_the_same():
    pair = _classifier().fit(X[TRAIN], Y[TRAIN], validation_data=PAIR)
    apart = _classifier().fit(X[TRAIN], Y[TRAIN], X_val=X[HELD], y_val=Y[HELD])
    scores = [one.history_.column("validation_score") for one in (pair, apart)]
    assert scores[0] == scores[1]


def test_half_a_pair_is_refused():
    with pytest.raises(TypeError, match="y_val is missing; pass it beside X_val"):
        _classifier().fit(X, Y, X_val=X)
    with pytest.raises(TypeError, match="validation_data cannot be used with X_val and y_val"):
        _classifier().fit(X, Y, X_val=X, y_val=Y, validation_data=PAIR)
