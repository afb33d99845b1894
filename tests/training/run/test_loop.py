"""What a run gives back, whatever it runs on."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits

import dask_horn as horn

NETWORK = horn.Network([horn.Dense(32, activation="relu"), horn.Dense(10)], input_shape=64)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:1200], y[:1200], X[1200:], y[1200:]


class Listen(horn.Callback):
    """Notes what it hears; may ask to stop."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after = stop_after
        self.heard: list[str] = []

    def on_run_start(self, event) -> None:
        self.heard.append(f"start {event.first_round}/{event.n_rounds}")

    def on_round_end(self, record) -> None:
        self.heard.append(f"round {record.round}")
        if record.round == self.stop_after:
            raise StopIteration

    def on_run_end(self, result) -> None:
        self.heard.append(f"end {len(result.history)}")

    def on_run_failed(self, error) -> None:
        self.heard.append(f"failed {type(error).__name__}")


def test_history_has_a_record_of_each_round(digits):
    X, y, Xv, yv = digits
    result = horn.train(
        NETWORK, X, y, validation_data=(Xv, yv), n_groups=2, n_submodels=[2, 1], n_rounds=2
    )
    first, last = result.history
    assert (first.round, last.round) == (1, 2)
    assert [len(group) for group in first.losses] == [2, 2]
    assert [len(group) for group in last.losses] == [1, 1]
    assert first.loss == pytest.approx(np.mean(first.losses), rel=0.05)
    assert first.samples >= 2 * len(X)
    assert first.seconds > 0
    accuracy = np.mean(result.model.predict(Xv) == yv)
    assert last.validation_score == pytest.approx(accuracy)
    p = result.model.predict_proba(Xv)[np.arange(len(yv)), yv]
    assert last.validation_loss == pytest.approx(-np.log(p).mean(), rel=1e-4)


@pytest.mark.parametrize("merge", ["average", "ensemble"])
def test_history_shows_groups_and_submodels_of_each_round(digits, merge):
    X, y, *_ = digits

    def shown(**settings):
        settings |= {"n_groups": 2, "n_submodels": [4, 2, 1], "n_rounds": 3, "merge": merge}
        history = horn.train(NETWORK, X, y, **settings).history
        for record in history:
            assert {len(group) for group in record.losses} == {record.n_submodels}
        return [(record.n_groups, record.n_submodels) for record in history]

    assert shown(steps_per_round=200) == [(2, 4), (4, 2), (8, 1)]
    assert shown(steps_per_round=200, regroup=False) == [(2, 4), (2, 2), (2, 1)]
    assert shown() == [(2, 4), (2, 2), (2, 1)]  # a pass over so few rows is no 100 steps


def test_bytes_are_those_of_the_slices(digits):
    X, y, *_ = digits
    record = horn.train(
        NETWORK, X, y, n_groups=3, n_submodels=[4], concentration=None, n_rounds=1
    ).history[0]
    slices = 12 * 4 * NETWORK.parameters.restrict({"dense_1": 8}).size
    assert record.bytes_to_workers == record.bytes_from_workers == slices


def test_the_model_learns(digits):
    X, y, Xv, yv = digits
    result = horn.train(NETWORK, X, y, n_groups=2, n_submodels=2, n_rounds=12)
    assert np.mean(result.model.predict(Xv) == yv) > 0.9
    assert result.history[-1].loss < 0.2 * result.history[0].loss


def test_callbacks_may_ask_for_the_model_from_the_start(digits):
    class Ask(horn.Callback):
        def on_run_start(self, event) -> None:
            self.model = event.model
            self.first = event.model().parameters

        def on_round_end(self, record) -> None:
            self.last = self.model().parameters

    X, y, *_ = digits
    ask = Ask()
    result = horn.train(NETWORK, X, y, n_rounds=1, redraw=True, callbacks=[ask])
    assert np.array_equal(ask.first, NETWORK.initial_values(0))
    assert np.array_equal(ask.last, result.model.parameters)


def test_callbacks_hear_of_everything_in_order(digits):
    X, y, *_ = digits
    listen = Listen()
    horn.train(NETWORK, X, y, n_rounds=2, callbacks=[listen])
    assert listen.heard == ["start 0/2", "round 1", "round 2", "end 2"]


def test_a_callback_that_fails_fails_the_run(digits):
    class Broken(horn.Callback):
        def on_round_end(self, record) -> None:
            raise RuntimeError("broken")

    X, y, *_ = digits
    listen = Listen()
    with pytest.raises(RuntimeError, match="broken"):
        horn.train(NETWORK, X, y, n_rounds=2, callbacks=[Broken(), listen])
    assert listen.heard == ["start 0/2", "failed RuntimeError"]


@pytest.fixture(scope="module")
def stopped(digits):
    """What a run on threads has trained when a callback stops it after the third round."""
    X, y, *_ = digits
    return horn.train(NETWORK, X, y, n_rounds=8, callbacks=[Listen(3)]).model


def test_a_callback_may_stop_a_run_on_a_cluster_that_goes_on_to_serve(digits, stopped, client):
    X, y, *_ = digits
    for _ in range(3):
        listen = Listen(3)
        result = horn.train(NETWORK, X, y, n_rounds=8, callbacks=[listen])
        assert listen.heard[-1] == "end 3"
        assert np.array_equal(result.model.parameters, stopped.parameters)
    assert client.submit(sum, [1, 2]).result() == 3


@pytest.mark.parametrize("checkpoint_every", [5, 1])
@pytest.mark.usefixtures("on_threads_and_cluster")
def test_early_stopping_keeps_the_best_round(digits, checkpoint_every):
    X, y, Xv, yv = digits
    settings = {
        "n_rounds": 40,
        "early_stopping": True,
        "n_iter_no_change": 3,
        "learning_rate": 0.02,
        "schedule": "constant",
        "checkpoint_every": checkpoint_every,  # 1: the best round's parents are saved twice
    }
    result = horn.train(NETWORK, X, y, validation_data=(Xv, yv), **settings)
    scores = result.history.column("validation_score")
    assert len(scores) < 40
    assert result.best_round == 1 + int(np.argmax(scores)) == len(scores) - 3
    assert np.mean(result.model.predict(Xv) == yv) == pytest.approx(max(scores))


def test_early_stopping_holds_rows_out_of_arrays_and_of_stores(digits, tmp_path):
    X, y, *_ = digits
    horn.write_samples(tmp_path / "digits.zarr", X, y, chunk_bytes=64 * 8 * 50)
    settings = {"n_rounds": 2, "early_stopping": True, "validation_fraction": 0.25}
    for data in ((X, y), (tmp_path / "digits.zarr",)):
        history = horn.train(NETWORK, *data, n_submodels=1, steps_per_round=50, **settings).history
        assert history[-1].validation_score > 0.5


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_values_are_learned_in_their_own_units(loss):
    X, y = load_diabetes(return_X_y=True)
    Y = np.stack([y, 1000 * y - 5], axis=1)
    network = horn.Network([horn.Dense(32, activation="tanh"), horn.Dense(2)], 10, loss)
    result = horn.train(network, X, Y, validation_data=(X, Y), n_rounds=6)
    predicted = result.model.predict(X)
    assert predicted.shape == Y.shape
    r2 = 1 - ((predicted - Y) ** 2).sum(0) / ((Y - Y.mean(0)) ** 2).sum(0)
    assert (r2 > 0.4).all()
    assert result.history[-1].validation_score == pytest.approx(r2.mean(), abs=1e-3)


def test_several_labels_at_once():
    X = np.random.default_rng(0).normal(size=(600, 20))
    Y = (X[:, :4] + X[:, 4:8] > 0).astype(int)
    network = horn.Network([horn.Dense(32, activation="relu"), horn.Dense(4)], 20,
                           loss="binary_cross_entropy")  # fmt: skip
    model = horn.train(network, X, Y, n_rounds=6).model
    assert model.predict_proba(X).shape == Y.shape
    assert np.mean(model.predict(X) == Y) > 0.9


def test_an_ensemble_predicts_mean_and_spread(digits, tmp_path):
    X, y, Xv, yv = digits
    result = horn.train(
        NETWORK, X, y, validation_data=(Xv, yv), n_groups=3, merge="ensemble", n_rounds=4
    )
    ensemble = result.model
    members = np.stack([member.predict_proba(Xv) for member in ensemble.members])
    mean, spread = ensemble.predict_proba(Xv, return_std=True)
    assert np.allclose(mean, members.mean(axis=0))
    assert np.allclose(spread, members.std(axis=0))
    assert (spread.max(axis=0) > 0).all()
    assert result.history[-1].validation_score == pytest.approx(np.mean(ensemble.predict(Xv) == yv))
    ensemble.save(tmp_path / "ensemble.zarr")
    assert np.array_equal(horn.load(tmp_path / "ensemble.zarr").predict_proba(Xv), mean)


def test_members_on_all_rows_see_more_of_them(digits):
    X, y, *_ = digits
    settings = {"n_groups": 2, "merge": "ensemble", "n_rounds": 1, "n_submodels": 1,
                "batch_size": 8}  # fmt: skip
    subset = horn.train(NETWORK, X, y, **settings).history[0].samples
    everything = horn.train(NETWORK, X, y, group_data="all", **settings).history[0].samples
    assert (subset, everything) == (len(X), 2 * len(X))


def test_going_on_from_a_model_starts_where_it_was(digits):
    X, y, *_ = digits
    model = horn.train(NETWORK, X, y, n_rounds=10).model
    further = horn.train(NETWORK, X[:, ::1], y, n_rounds=1, learning_rate=1e-9, initial=model)
    assert np.allclose(further.model.parameters, model.parameters, atol=1e-5)
    assert np.array_equal(further.model.standardizer.mean, model.standardizer.mean)


def test_class_weights_shift_the_predictions(digits):
    X, y, Xv, _ = digits
    few = np.flatnonzero((y != 3) | (np.arange(len(y)) % 20 == 0))
    settings = {"n_rounds": 3, "steps_per_round": 50, "learning_rate": 3e-3}
    plain = horn.train(NETWORK, X[few], y[few], **settings).model
    balanced = horn.train(NETWORK, X[few], y[few], class_weight="balanced", **settings).model
    heavy = horn.train(NETWORK, X[few], y[few], class_weight={3: 50.0}, **settings).model
    share = [np.mean(model.predict(Xv) == 3) for model in (plain, balanced, heavy)]
    assert share[0] < share[1] < share[2]


def test_a_small_gradient_bound_slows_learning(digits):
    X, y, *_ = digits
    settings = {"n_rounds": 1, "optimizer": "sgd", "learning_rate": 0.1}
    free = horn.train(NETWORK, X, y, **settings).history[0].loss
    bound = horn.train(NETWORK, X, y, clip_norm=1e-3, **settings).history[0].loss
    assert bound > 1.5 * free


@pytest.mark.parametrize("regrouped", [{}, {"n_submodels": [2, 1], "steps_per_round": 100}])
def test_a_restarted_ensemble_goes_on_to_the_same_bits(digits, tmp_path, regrouped):
    X, y, *_ = digits
    settings = {"n_groups": 2, "merge": "ensemble", "n_rounds": 3, "checkpoint_every": 1}
    settings |= regrouped
    expected = horn.train(NETWORK, X, y, **settings).model
    settings["checkpoint"] = tmp_path / "run.zarr"
    stopped = horn.train(NETWORK, X, y, callbacks=[Listen(1)], **settings)
    assert len(stopped.history) == 1
    ensemble = horn.train(NETWORK, X, y, **settings).model
    for member, other in zip(ensemble.members, expected.members, strict=True):
        assert np.array_equal(member.parameters, other.parameters)


def test_a_finished_run_is_only_loaded(digits, tmp_path):
    X, y, *_ = digits
    settings = {"n_rounds": 2, "checkpoint": tmp_path / "run.zarr"}
    first = horn.train(NETWORK, X, y, **settings)
    listen = Listen()
    again = horn.train(NETWORK, X, y, callbacks=[listen], **settings)
    assert listen.heard == ["start 2/2", "end 2"]
    assert np.array_equal(again.model.parameters, first.model.parameters)
    assert again.history.to_dicts() == first.history.to_dicts()
    assert len(list((tmp_path / "run.zarr" / "rounds").iterdir())) == 1


def _forget(file, *names):
    """Take from a JSON file what versions before did not write."""
    kept = json.loads(file.read_text())
    for name in names:
        del kept[name]
    file.write_text(json.dumps(kept))


def test_a_run_of_an_earlier_version_goes_on(digits, tmp_path):
    X, y, *_ = digits
    settings = {"n_rounds": 2, "checkpoint_every": 1, "checkpoint": tmp_path / "run.zarr"}
    horn.train(NETWORK, X, y, callbacks=[Listen(1)], **settings)
    _forget(tmp_path / "run.zarr" / "run.json", "beta_1", "beta_2", "epsilon", "device")
    (folder,) = (tmp_path / "run.zarr" / "rounds").iterdir()
    folder = folder.rename(folder.with_name("00001"))
    _forget(folder / "history.json", "device")
    _forget(tmp_path / "run.zarr" / "latest.json", "folder", "best")
    with pytest.raises(ValueError, match=r"run with another beta_2 \(0.999 there, 0.99 now\)"):
        horn.train(NETWORK, X, y, beta_2=0.99, **settings)
    listen = Listen()
    result = horn.train(NETWORK, X, y, callbacks=[listen], **settings, device="auto")
    assert listen.heard == ["start 1/2", "round 2", "end 2"]
    assert result.history.device == result.history[:1].device == "cpu"


def test_what_was_momentum_and_is_beta_1_is_not_mistaken(digits, tmp_path):
    X, y, *_ = digits
    settings = {"n_rounds": 1, "checkpoint": tmp_path / "run.zarr"}
    horn.train(NETWORK, X, y, beta_1=0.8, momentum=0.8, **settings)
    _forget(tmp_path / "run.zarr" / "run.json", "beta_1")
    with pytest.raises(ValueError, match=r"run with another beta_1 \(0.8 there, 0.9 now\)"):
        horn.train(NETWORK, X, y, **settings)
    horn.train(NETWORK, X, y, beta_1=0.8, **settings)


def test_rounds_that_were_cut_short_never_displace_whole_ones(digits, tmp_path):
    X, y, *_ = digits
    settings = {"n_rounds": 2, "checkpoint": tmp_path / "run.zarr", "checkpoint_every": 1}
    horn.train(NETWORK, X, y, callbacks=[Listen(1)], **settings)
    for later in ("00003", "00004"):
        (tmp_path / "run.zarr" / "rounds" / later).mkdir()
    horn.train(NETWORK, X, y, **settings)
    kept = sorted(folder.name for folder in (tmp_path / "run.zarr" / "rounds").iterdir())
    assert [name.partition("-")[0] for name in kept] == ["00001", "00002"]


@pytest.mark.cluster
def test_what_is_saved_twice_harms_no_checkpoint(digits, tmp_path, client, monkeypatch):
    """Dask does a save again where the worker that did it dies before the client lets go of it."""
    from dask_horn.training.run.keeper import Keeper

    X, y, *_ = digits
    settings = {"n_rounds": 4, "checkpoint": tmp_path / "run.zarr", "checkpoint_every": 1}
    save = Keeper._save_whole

    def save_again_after(keeper, location, rounds, parents):
        saved = save(keeper, location, rounds, parents)
        again = save(Keeper(keeper.run.next_attempt(), None, None), location, rounds, parents)
        assert again.location != saved.location
        return saved

    monkeypatch.setattr(Keeper, "_save_whole", save_again_after)
    horn.train(NETWORK, X, y, callbacks=[Listen(2)], **settings)
    monkeypatch.undo()
    listen = Listen()
    result = horn.train(NETWORK, X, y, callbacks=[listen], **settings)
    assert listen.heard == ["start 2/4", "round 3", "round 4", "end 4"]
    expected = horn.train(NETWORK, X, y, n_rounds=4).model.parameters
    assert np.array_equal(result.model.parameters, expected)
    assert len(list((tmp_path / "run.zarr" / "rounds").iterdir())) == 2


def test_early_stopping_that_was_stopped_remembers_its_best_round(digits, tmp_path):
    X, y, Xv, yv = digits
    settings = {"validation_data": (Xv, yv), "n_rounds": 40, "early_stopping": True,
                "n_iter_no_change": 3, "learning_rate": 0.02, "schedule": "constant"}  # fmt: skip
    expected = horn.train(NETWORK, X, y, **settings)
    settings |= {"checkpoint": tmp_path / "run.zarr", "checkpoint_every": 1}
    after = expected.best_round + 1
    horn.train(NETWORK, X, y, callbacks=[Listen(after)], **settings)
    for _ in range(2):  # the second finds that there is nothing more to do
        resumed = horn.train(NETWORK, X, y, **settings)
        assert resumed.best_round == expected.best_round
        assert np.array_equal(resumed.model.parameters, expected.model.parameters)
        assert len(resumed.history) == len(expected.history)
    assert len(list((tmp_path / "run.zarr" / "best").iterdir())) == 1
