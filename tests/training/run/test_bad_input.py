"""What is wrong is told before any work, in one sentence; what comes later loses nothing."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import zarr
from sklearn.datasets import load_digits

import dask_horn as horn
from dask_horn.data.rows import windows


@pytest.fixture(scope="module")
def samples():
    return load_digits(return_X_y=True)


@pytest.fixture
def network() -> horn.Network:
    return horn.Network([horn.Dense(16, activation="relu"), horn.Dense(10)], input_shape=64)


@pytest.fixture
def store(samples, tmp_path: Path) -> Path:
    horn.write_samples(tmp_path / "digits.zarr", *samples, chunk_bytes=64 * 8 * 100)
    return tmp_path / "digits.zarr"


def test_another_number_of_targets(network, samples):
    X, y = samples
    with pytest.raises(ValueError, match="1797 samples and y 1796 targets"):
        horn.train(network, X, y[:-1])


def test_samples_of_another_shape(network, samples):
    X, y = samples
    with pytest.raises(ValueError, match=r"shape \(63,\).*takes samples of shape \(64,\)"):
        horn.train(network, X[:, :-1], y)


def test_validation_samples_of_another_shape(network, samples):
    X, y = samples
    with pytest.raises(ValueError, match=r"validation_data: X has samples of shape \(63,\)"):
        horn.train(network, X, y, validation_data=(X[:, :-1], y))


def test_one_dimensional_samples(network, samples):
    X, y = samples
    with pytest.raises(ValueError, match=r"X has shape \(1797,\).*reshape"):
        horn.train(network, X[:, 0], y)


def test_outputs_that_do_not_suit_the_classes(samples):
    X, y = samples
    network = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(9)], input_shape=64)
    with pytest.raises(ValueError, match=r"9 outputs, but y asks for 10; .*Dense\(10\)"):
        horn.train(network, X, y)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(network, samples, bad, tmp_path):
    X, y = samples[0].copy(), samples[1]
    X[[123, 700], 5] = bad
    with pytest.raises(ValueError, match=f"(?i){'nan' if np.isnan(bad) else 'inf'}.*sample 123,"):
        horn.train(network, X, y)
    horn.write_samples(tmp_path / "bad.zarr", X, y)
    with pytest.raises(ValueError, match="sample 123"):
        horn.train(network, tmp_path / "bad.zarr")


class NothingIsTrained(horn.Callback):
    """Fails a test in which a round begins."""

    def on_run_start(self, start):
        raise AssertionError("training has begun")


def _wrapped(X, y, path):
    """The same samples and targets in each form that users pass."""
    horn.write_samples(path, X, y)
    group = zarr.open_group(path, mode="r")
    chunks = (20, *X.shape[1:])
    return {
        "arrays": (X, y),
        "dask": (da.from_array(X, chunks=chunks), da.from_array(y, chunks=20)),
        "zarr": (group["X"], group["y"]),
        "zarr and array": (group["X"], y),
        "group": path,
    }


@pytest.mark.parametrize("form", ["arrays", "dask", "zarr", "zarr and array", "group"])
def test_validation_rows_are_looked_at_before_training(network, samples, tmp_path, form):
    X, y = samples
    settings = {"n_rounds": 1, "callbacks": [NothingIsTrained()]}

    def refuses(message, X_held, y_held):
        held = _wrapped(X_held, y_held, tmp_path / f"{len(list(tmp_path.iterdir()))}.zarr")[form]
        with pytest.raises(ValueError, match=message):
            horn.train(network, X, y, validation_data=held, **settings)

    bad = X[:50].copy()
    bad[[30, 40], 2] = np.nan
    refuses("validation_data: X holds NaN at sample 30, feature 2", bad, y[:50])
    refuses("validation_data: .*holds? the label 10, which is not among", X[:50], y[:50] + 1)


@pytest.mark.parametrize("form", ["arrays", "dask", "zarr", "zarr and array", "group"])
def test_another_number_of_validation_targets_is_told_before_training(samples, tmp_path, form):
    X = samples[0]
    network = horn.Network([horn.Dense(4, activation="relu"), horn.Dense(1)], 64, "squared_error")
    held = _wrapped(X[:50], X[:50, 10:12], tmp_path / "held.zarr")[form]
    with pytest.raises(ValueError, match="validation_data: y has 2 columns and the model 1 output"):
        horn.train(network, X, X[:, 10], validation_data=held, callbacks=[NothingIsTrained()])


@pytest.mark.parametrize("form", ["arrays", "dask", "zarr", "zarr and array", "group"])
def test_rows_that_are_held_out_are_looked_at_before_training(network, samples, tmp_path, form):
    X, y = samples
    settings = {"early_stopping": True, "validation_fraction": 0.5}
    for row in (30, 700, 1000, 1400, 1796):  # in every second block, or so, that is held out
        bad = X.copy()
        bad[row, 3] = np.inf
        given = _wrapped(bad, y, tmp_path / f"{row}.zarr")[form]
        given = (given,) if form == "group" else given
        with pytest.raises(ValueError, match=f"X holds infinity at sample {row}, feature 3"):
            horn.train(network, *given, callbacks=[NothingIsTrained()], **settings)


def test_nothing_decoded_is_left_where_preparing_fails(network, samples, store):
    before = windows._decoded.n_bytes  # a graph that was computed by hand leaves its rows
    for validation_data in (samples[0], (samples[0], samples[1] + 1)):
        with pytest.raises((TypeError, ValueError), match="validation_data"):
            horn.train(network, store, validation_data=validation_data)
        assert windows._decoded.n_bytes == before


def test_targets_that_are_not_finite(samples):
    X, y = samples[0], samples[1].astype(float)
    y[7] = np.nan
    network = horn.Network([horn.Dense(4, activation="relu"), horn.Dense(1)], 64, "squared_error")
    with pytest.raises(ValueError, match="y holds NaN at sample 7,"):
        horn.train(network, X, y)


def test_no_samples(network):
    with pytest.raises(ValueError, match="holds no values"):
        horn.train(network, np.empty((0, 64)), np.empty(0, int))


def test_a_single_class(network, samples):
    X, y = samples
    with pytest.raises(ValueError, match="class"):
        horn.train(network, X, np.zeros_like(y))


def test_fewer_samples_than_groups(network, samples):
    X, y = samples
    with pytest.raises(ValueError, match=r"n_groups=40.*30|30.*n_groups=40"):
        horn.train(network, X[:30], y[:30], n_groups=40)


def test_fewer_units_than_submodels(network, samples):
    with pytest.raises(ValueError, match=r"n_submodels=17 is more than the 16 units.*'dense_1'"):
        horn.train(network, *samples, n_submodels=17)


@pytest.mark.parametrize(
    ("make", "known"),
    [
        (lambda: horn.Dense(4, activation="swishy"), "relu"),
        (lambda: horn.Network([horn.Dense(4)], 3, loss="hinge"), "cross_entropy"),
        (lambda: horn.TrainingOptions(optimizer="lbfgs"), "'adamw', .*got 'lbfgs'"),
        (lambda: horn.TrainingOptions(schedule="step"), "'cosine', 'constant'"),
        (lambda: horn.TrainingOptions(merge="vote"), "'average', 'ensemble'"),
    ],
)
def test_an_unknown_name_lists_the_known(make, known):
    with pytest.raises(ValueError, match=known):
        make()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n_groups": 0}, ValueError, "n_groups must be an integer of at least 1, got 0"),
        ({"n_groups": 1.5}, TypeError, "n_groups must be an integer of at least 1, got 1.5"),
        ({"n_rounds": True}, TypeError, "n_rounds must be an integer"),
        ({"n_submodels": []}, ValueError, "n_submodels is an empty sequence"),
        (
            {"n_submodels": [2, 0]},
            ValueError,
            "n_submodels must be an integer of at least 1, got 0",
        ),
        (
            {"learning_rate": -1.0},
            ValueError,
            "learning_rate must be a finite number above 0, got -1.0",
        ),
        (
            {"learning_rate": float("nan")},
            ValueError,
            "learning_rate must be a finite number above 0, got nan",
        ),
        (
            {"learning_rate": "fast"},
            TypeError,
            "learning_rate must be a finite number above 0, got 'fast'",
        ),
        ({"momentum": 1.0}, ValueError, "momentum must be a number of at least 0 and below 1"),
        ({"beta_2": 1}, ValueError, "beta_2 must be a number of at least 0 and below 1, got 1"),
        ({"epsilon": 0}, ValueError, "epsilon must be a finite number above 0, got 0"),
        ({"device": "tpu"}, ValueError, "device must be one of 'cpu', .*'auto', got 'tpu'"),
        ({"concentration": 0}, ValueError, "concentration must be a finite number above 0, got 0"),
        (
            {"validation_fraction": 1.0},
            ValueError,
            "validation_fraction must be a number above 0 and below",
        ),
        ({"n_group": 2}, TypeError, "unknown setting 'n_group'; did you mean 'n_groups'"),
        ({"class_weight": "even"}, ValueError, "class_weight must be 'balanced'"),
        ({"class_weight": {"ten": 1.0}}, ValueError, "class_weight names 'ten'"),
        ({"class_weight": {3: "much"}}, TypeError, r"class_weight\[3\] must be a finite number"),
        ({"class_weight": [1.0] * 10}, TypeError, "class_weight must be 'balanced', a mapping"),
    ],
)
def test_settings_out_of_range(network, samples, settings, error, message):
    with pytest.raises(error, match=message):
        horn.train(network, *samples, **settings)


def test_a_store_that_is_missing(network, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.zarr"):
        horn.train(network, tmp_path / "nowhere.zarr")


def test_a_store_without_samples(network, tmp_path):
    import zarr

    zarr.create_group(tmp_path / "empty.zarr")
    with pytest.raises(ValueError, match="no array X"):
        horn.train(network, tmp_path / "empty.zarr")


def test_y_beside_a_store(network, store, samples):
    with pytest.raises(TypeError, match="y must be left out"):
        horn.train(network, store, samples[1])


def corrupt(store: Path) -> None:
    """Cut one chunk of X short."""
    chunk = store / "X" / "c" / "3" / "0"
    chunk.write_bytes(chunk.read_bytes()[:40])


@pytest.mark.usefixtures("on_threads_and_cluster")
def test_a_corrupt_chunk_is_named(network, store):
    corrupt(store)
    with pytest.raises(horn.ChunkReadError, match=r"array X in .*digits\.zarr .* chunk c/3/0"):
        horn.train(network, store)


def test_a_chunk_that_breaks_in_mid_run_loses_no_checkpoint(network, store, tmp_path):
    class Break(horn.Callback):
        def on_round_end(self, record):
            if record.round == 2:
                corrupt(store)

    settings = {"n_rounds": 4, "checkpoint": tmp_path / "run.zarr", "checkpoint_every": 1}
    settings["n_submodels"] = [1, 1, 1, 2]
    horn.train(network, store, callbacks=[Break()], **settings)  # decoded chunks are kept
    (folder,) = (tmp_path / "run.zarr" / "rounds").glob("00004-*")
    assert horn.load(folder / "model")


def test_validation_labels_that_training_never_saw(network, samples):
    X, y = samples
    with pytest.raises(ValueError, match="11"):
        horn.train(network, X, y, validation_data=(X[:2], [1, 11]))


@pytest.mark.usefixtures("on_threads_and_cluster")
def test_a_learning_rate_that_diverges_keeps_the_last_good_model(network, samples):
    X, y = samples
    settings = {"optimizer": "sgd", "learning_rate": 1e30, "standardize": False, "n_rounds": 3}

    with pytest.raises(
        horn.DivergedError, match=r"in round 1, group 0, sub-model [01], .*learning_rate"
    ) as caught:
        horn.train(network, X, y, **settings)
    assert np.isfinite(caught.value.model.parameters).all()
    assert caught.value.model.predict(X).shape == y.shape


def test_a_last_step_that_diverges_keeps_the_last_good_model(network, samples):
    settings = {"optimizer": "sgd", "learning_rate": 1e39, "n_rounds": 2, "steps_per_round": 1}
    with pytest.raises(horn.DivergedError, match=r"a parameter .* in round 1, group 0") as caught:
        horn.train(network, *samples, **settings)
    assert np.isfinite(caught.value.model.parameters).all()


def test_going_on_from_a_model_of_other_targets(samples):
    X, y = samples
    layers = [horn.Dense(8, activation="relu"), horn.Dense(2)]
    values = np.stack([y, -y], axis=1).astype(float)
    model = horn.train(horn.Network(layers, 64, "squared_error"), X, values, n_rounds=1).model
    with pytest.raises(ValueError, match="initial was trained with loss='squared_error'"):
        horn.train(horn.Network(layers, 64, "binary_cross_entropy"), X, values > 0, initial=model)


def test_numbers_of_numpy_are_numbers_to_a_checkpoint(network, samples, tmp_path):
    settings = {"n_rounds": np.int64(1), "learning_rate": np.float32(0.01)}
    settings |= {"n_submodels": list(np.array([2])), "checkpoint": tmp_path / "run.zarr"}
    first = horn.train(network, *samples, **settings)
    again = horn.train(network, *samples, **settings)
    assert np.array_equal(again.model.parameters, first.model.parameters)


@pytest.mark.parametrize("what", ["network", "learning_rate", "data"])
def test_a_checkpoint_of_another_run_is_refused(network, samples, tmp_path, what):
    X, y = samples
    settings = {"n_rounds": 1, "checkpoint": tmp_path / "run.zarr"}
    horn.train(network, X, y, **settings)
    if what == "network":
        network = horn.Network([horn.Dense(17, activation="relu"), horn.Dense(10)], 64)
    elif what == "data":
        X = X + 1
    else:
        settings["learning_rate"] = 0.5
    with pytest.raises(ValueError, match=f"belongs to a run with another {what}"):
        horn.train(network, X, y, **settings)


def test_a_folder_of_something_else_is_no_checkpoint(network, samples, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="holds no checkpoint"):
        horn.train(network, *samples, checkpoint=tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_callback_of_another_kind(network, samples):
    with pytest.raises(TypeError, match=r"callbacks must be instances of dask_horn\.Callback"):
        horn.train(network, *samples, callbacks=[print])


def test_a_network_that_no_machine_holds_is_told_before_any_work():
    X, y = np.zeros((60, 4, 3), np.float32), np.arange(60) % 3
    network = horn.Network([horn.LSTM(10**6), horn.Dense(3)], (4, 3))
    with pytest.raises(ValueError, match=r"needs about 1.* GiB, but this machine has .* GiB; use"):
        horn.train(network, X, y)
