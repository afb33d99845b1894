"""Time to accuracy: the rule, what counts as time, and what the section says."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("benchmarks", reason="a source distribution has no benchmarks")

import dask_horn as horn
from benchmarks.datasets import mnist_network
from benchmarks.time_to_accuracy import ours, run
from benchmarks.time_to_accuracy.task import Checkpoint, Course, Log, follow


class SmallTask:
    """400 images of noise and ten classes, each bright in a place of its own."""

    hidden = 8

    def __init__(self, folder):
        random = np.random.default_rng(0)
        y = random.integers(0, 10, 400).astype(np.uint8)
        X = random.integers(0, 100, (400, 784)).astype(np.uint8)
        X[np.arange(784) // 79 == y[:, None]] += 100
        self.train = X, y
        self.held_out = self.test = X[:100], y[:100]
        self.store = str(folder / "train.zarr")
        horn.write_samples(self.store, X, y)


def test_time_to_is_that_of_the_first_checkpoint_which_is_as_good():
    course = Course([1.0, 2.0, 3.0, 4.0], [96.0, 98.1, 97.9, 98.3], [97.0, 97.8, 98.0, 98.4])
    assert course.time_to(98.0, "held_out") == 2.0
    assert course.accuracy_when_stopped(98.0) == 97.8
    assert course.time_to(98.0, "test") == 3.0
    assert math.isnan(course.time_to(99.0, "test"))
    assert math.isnan(course.accuracy_when_stopped(99.0))


def test_nobody_is_followed_beyond_the_rule_and_the_marks(tmp_path):
    task, asked = SmallTask(tmp_path), []

    def contestant(task, seed, settings, log):
        for i, n_right in enumerate((50, 90, 95, 100)):
            asked.append(i)
            right = np.arange(100) < n_right
            yield Checkpoint(float(i), lambda X, right=right: np.where(right, task.test[1], 99))

    done = follow(contestant, task, 0, {}, target=90.0, marks=(80.0, 94.0))
    assert done["held_out"] == [50, 90, 95]
    assert asked == [0, 1, 2]


@pytest.mark.parametrize("taken", [1, 3])
def test_ours_yields_the_parent_of_each_round(tmp_path, taken):
    task, log = SmallTask(tmp_path), Log()
    training = {"n_rounds": 3, "steps_per_round": 10, "n_submodels": [2], "random_state": 0}
    course = ours.on_threads(task, training.pop("random_state"), training, log)
    checkpoints = [next(course) for _ in range(taken)]
    course.close()
    assert all(a.seconds < b.seconds for a, b in pairwise(checkpoints))
    direct = horn.train(
        mnist_network(task.hidden), task.store, random_state=0, callbacks=[stop := _Stop(taken)],
        **training,
    ).model  # fmt: skip
    assert stop.rounds == taken
    X = task.test[0]
    np.testing.assert_array_equal(checkpoints[-1].predict(X), direct.predict(X))


class _Stop(horn.Callback):
    """Ends a run after some rounds, whose learning rates are those of the longer run."""

    def __init__(self, after):
        self.after, self.rounds = after, 0

    def on_round_end(self, record):
        self.rounds = record.round
        if record.round == self.after:
            raise StopIteration


def test_pytorch_yields_ten_checkpoints_in_a_pass(tmp_path, request):
    torch = pytest.importorskip("torch")
    from benchmarks.time_to_accuracy import peers

    # The contestant has a process of its own, for which it has denormals flushed.
    request.addfinalizer(lambda: torch.set_flush_denormal(False))

    task = SmallTask(tmp_path)
    training = {"optimizer": "sgd", "learning_rate": 0.05, "batch_size": 20, "passes": 2}
    checkpoints = list(peers.one_process(task, 0, training, Log()))
    assert len(checkpoints) == 20
    assert np.mean(checkpoints[-1].predict(task.test[0]) == task.test[1]) > 0.5


def test_every_race_has_seeds_for_its_contestants():
    for race in run.RACES.values():
        assert set(race.settings) == set(race.seeds) <= set(run.CONTESTANTS)
        assert set(race.goals) <= set(race.settings)
