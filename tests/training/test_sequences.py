"""Training on sequences: padding changes nothing, scores are those of the steps that count."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from zarr.storage import MemoryStore

import dask_horn as horn
from dask_horn.data import Targets, forget, spool
from dask_horn.model import sample_form
from dask_horn.records import add_scores
from dask_horn.training.plan.options import TrainingOptions
from dask_horn.training.plan.prepare import Given, Settled, new_run_id, prepare_data
from dask_horn.training.plan.prepare import make_spec as settle
from dask_horn.training.plan.spec import Devices
from dask_horn.training.tasks.evaluate import score_blocks
from dask_horn.training.tasks.states import Whole
from tests.sequences import CHANNELS, COUNTED, LENGTHS, MASK, STEPS, SUMS, WORDS, N, X, make_model
from tests.training.specs import make_spec

SETTINGS = {"n_submodels": 2, "n_rounds": 3, "learning_rate": 0.02}


def _network(loss="cross_entropy", steps=STEPS, outputs=3):
    layers = [horn.LSTM(8, return_sequences=True, mask_value=MASK), horn.Dense(outputs)]
    return horn.Network(layers, (steps, CHANNELS), loss)


def _zarr(array):
    return zarr.create_array(
        store=MemoryStore(), name="a", data=array, chunks=(7, *array.shape[1:])
    )


def test_more_padding_changes_nothing():
    longer = np.concatenate([X, np.full((N, 4, CHANNELS), MASK)], axis=1)
    y = np.searchsorted(["falls", "rests", "soars"], WORDS)
    first = horn.train(_network(), X, y, **SETTINGS)
    y = np.concatenate([y, np.full((N, 4), 2)], axis=1)
    again = horn.train(_network(steps=STEPS + 4), longer, y, **SETTINGS)
    assert_allclose(again.model.parameters, first.model.parameters, rtol=1e-4, atol=1e-5)
    assert_allclose(again.history[-1].loss, first.history[-1].loss, rtol=1e-4)


@pytest.mark.parametrize("padding", ["", "soars"])
def test_what_padding_is_said_to_be_changes_nothing(padding):
    models = [
        horn.train(_network(), X, np.where(COUNTED, WORDS, other), **SETTINGS).model
        for other in (padding, "falls")
    ]
    assert_array_equal(models[0].parameters, models[1].parameters)
    assert models[0].classes.tolist() == ["falls", "rests", "soars"]


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_values_of_padding_may_be_missing(loss):
    y = np.where(COUNTED, SUMS, np.nan)
    result = horn.train(_network(loss, outputs=1), X, y, validation_data=(X, y), **SETTINGS)
    assert_allclose(result.model.targets.mean, SUMS[COUNTED].mean())
    error = ((result.model.predict(X) - SUMS)[COUNTED] ** 2).mean()
    assert_allclose(result.history[-1].validation_score, 1 - error / SUMS[COUNTED].var(), rtol=1e-4)


def test_scores_are_of_the_steps_that_count():
    result = horn.train(_network(), X, WORDS, validation_data=(X, WORDS), **SETTINGS)
    right = (result.model.predict(X) == WORDS)[COUNTED]
    assert_allclose(result.history[-1].validation_score, right.mean())
    truth = np.searchsorted(["falls", "rests", "soars"], WORDS)[COUNTED]
    probability = result.model.predict_proba(X)[COUNTED][np.arange(len(truth)), truth]
    assert_allclose(result.history[-1].validation_loss, -np.log(probability).mean(), rtol=1e-4)


def test_scores_of_blocks_add_up_to_that_of_all():
    network, codes = _network(), np.searchsorted(["falls", "rests", "soars"], WORDS)
    store = spool(X, codes, target_kind="classes", shuffle=False, form=sample_form(network))
    model = make_model()
    spec = make_spec(
        network, X.reshape(N, -1), np.zeros(N, int), validation=store,
        targets=Targets.of_classes(np.arange(3), STEPS), standardizer=model.standardizer,
    )  # fmt: skip
    blocks = [block for group in spec.rounds[0].group_blocks for block in group]
    parents = [Whole.start(network.initial_values(seed), 0) for seed in range(2)]
    found = add_scores([score_blocks(spec, [block], parents) for block in blocks])
    forget(spec.run)
    logits = [
        make_model(seed=seed)._network_outputs(X.reshape(N, -1))[COUNTED].astype(float)
        for seed in range(2)
    ]
    log_p = np.log(np.mean([softmax(z, axis=1) for z in logits], axis=0))
    truth = codes[COUNTED]
    assert found.n == COUNTED.sum()
    assert_allclose(found.loss, -log_p[np.arange(len(truth)), truth].mean(), rtol=1e-5)
    assert_allclose(found.score, (log_p.argmax(axis=1) == truth).mean())


def test_balanced_weights_count_the_steps_that_count():
    options = TrainingOptions.of(class_weight="balanced")
    data = prepare_data(new_run_id(), _network(), Given(X, WORDS), options, Settled())
    weights = settle(_network(), data, options, Settled(), Devices("cpu", "cpu")).class_weights
    forget(data.run)
    counts = np.unique(WORDS[COUNTED], return_counts=True)[1]
    assert_allclose(weights, COUNTED.sum() / (3 * counts), rtol=1e-6)


@pytest.mark.parametrize("wrap", [_zarr, lambda a: da.from_array(a, chunks=(13, *a.shape[1:]))])
@pytest.mark.parametrize("n_groups", [1, 2])
def test_it_trains_on_what_is_chunked(wrap, n_groups):
    y = np.where(COUNTED, np.searchsorted(["falls", "rests", "soars"], WORDS), -1)
    result = horn.train(
        _network(), wrap(X), wrap(y), n_groups=n_groups, validation_data=(wrap(X), wrap(y)),
        **(SETTINGS | {"n_rounds": 20}),
    )  # fmt: skip
    assert result.model.classes.tolist() == [0, 1, 2]
    assert result.history[-1].validation_score > 0.6


def test_a_path_trains_like_its_arrays(tmp_path):
    horn.write_samples(tmp_path / "x.zarr", X, WORDS)
    group = zarr.open_group(tmp_path / "x.zarr", mode="r")
    models = [
        horn.train(_network(), *where, **SETTINGS).model
        for where in ((tmp_path / "x.zarr",), (group["X"], group["y"]))
    ]
    assert_array_equal(models[0].parameters, models[1].parameters)


def test_images_share_mean_and_scale_over_positions():
    layers = [horn.LSTM(4), horn.Dense(2)]
    model = horn.train(horn.Network(layers, (STEPS, CHANNELS)), X, LENGTHS % 2, n_rounds=1).model
    mean = X.reshape(-1, CHANNELS).mean(axis=0)
    assert_allclose(model.standardizer.mean.reshape(STEPS, -1), np.tile(mean, (STEPS, 1)))
    plain = horn.train(
        horn.Network(layers, (STEPS, CHANNELS)), X, LENGTHS % 2, n_rounds=1, standardize=False
    ).model
    assert set(plain.standardizer.scale) == {1}


def test_going_on_from_a_model():
    layers = [horn.LSTM(8, mask_value=MASK), horn.Dense(3)]
    last = WORDS[np.arange(N), LENGTHS - 1]
    start = horn.train(horn.Network(layers, (STEPS, CHANNELS)), X, last, **SETTINGS).model
    with pytest.raises(ValueError, match="initial is a model of another network"):
        horn.train(_network(), X, WORDS, initial=start, **SETTINGS)
    start = horn.train(_network(), X, WORDS, **SETTINGS).model
    model = horn.train(_network(), X[:9], WORDS[:9], initial=start, **SETTINGS).model
    assert model.predict(X).shape == (N, STEPS)
    assert model.classes.tolist() == start.classes.tolist()


ALL = "for each of 6 steps; pass y of shape"


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (WORDS[:, 0], rf"y has shape \(60,\), .* {ALL} \(60, 6\)"),
        (WORDS[:, :5], rf"y has shape \(60, 5\), .* {ALL} \(60, 6\)"),
        (np.zeros((N, STEPS, 3)), "one label per step; use y.argmax"),
        (WORDS[1:], "X holds 60 samples and y 59 targets"),
        (np.full((N, STEPS), "rests"), r"only one class \('rests'\)"),
        (np.where(SUMS > 3, "up", "down"), r"3 outputs, but y asks for 2; .*Dense\(2\)"),
    ],
)
@pytest.mark.parametrize("stored", [False, True])
def test_targets_that_do_not_suit_the_steps(y, message, stored, tmp_path):
    if stored and len(y) == N:
        horn.write_samples(tmp_path / "x.zarr", X, y)
    with pytest.raises(ValueError, match=message):
        horn.train(_network(), *((tmp_path / "x.zarr",) if stored and len(y) == N else (X, y)))


def test_targets_of_steps_for_a_network_that_has_none():
    network = horn.Network([horn.LSTM(4), horn.Dense(3)], (STEPS, CHANNELS))
    with pytest.raises(ValueError, match=r"y has shape \(60, 6\).*or return_sequences=True in the"):
        horn.train(network, X, WORDS)


def test_validation_samples_that_do_not_suit():
    padded, y = X.copy(), WORDS.copy()
    padded[3] = MASK
    with pytest.raises(ValueError, match="for each of 6 steps"):
        horn.train(_network(), X, y, validation_data=(X, y[:, 0]))
    with pytest.raises(ValueError, match="nothing but padding at sample 3"):
        horn.train(_network(), X, y, validation_data=(padded, y))
    with pytest.raises(ValueError, match="nothing but padding at sample 3"):
        horn.train(_network(), X, y, validation_data=(_zarr(padded), y), n_rounds=1)
    y[3, 0] = "flies"
    with pytest.raises(ValueError, match="the label 'flies', which is not among the classes"):
        horn.train(_network(), X, WORDS, validation_data=(X, y))


@pytest.mark.parametrize("stored", [False, True])
def test_tokens_out_of_range_are_named(stored):
    network = horn.Network([horn.Embedding(5, 4), horn.LSTM(4), horn.Dense(2)], (STEPS,))
    tokens = np.arange(N * STEPS).reshape(N, STEPS) % 5
    horn.train(network, tokens, LENGTHS % 2, n_rounds=1)
    tokens[[11, 40], 3] = 6
    with pytest.raises(ValueError, match="X holds 6 at sample 11, step 3, which is no token; pass"):
        horn.train(network, _zarr(tokens) if stored else tokens, LENGTHS % 2)
