"""A long run leaves nothing behind on the cluster, and a lost worker costs few rounds."""

from __future__ import annotations

import gc
import os
import signal
from collections import Counter

import numpy as np
import psutil
import pytest
from distributed import Client, LocalCluster, SchedulerPlugin
from sklearn.datasets import load_digits

import dask_horn as horn

NETWORK = horn.Network([horn.Dense(64, activation="relu"), horn.Dense(10)], input_shape=64)


class CountTrainings(SchedulerPlugin):
    """Counts on the scheduler how often each training task is done."""

    name = "count-trainings"

    def __init__(self) -> None:
        self.done: Counter = Counter()

    def transition(self, key, start, finish, *args, **kwargs) -> None:
        if finish == "memory" and isinstance(key, tuple) and key[0].startswith("train-"):
            self.done[key[1:]] += 1


class Watch(horn.Callback):
    """Notes the scheduler's tasks, and this process' memory, after each round."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.tasks: list[int] = []
        self.bytes: list[int] = []

    def on_round_end(self, record: horn.RoundRecord) -> None:
        count = self.client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
        self.tasks.append(count)
        if record.round % 10 == 0:
            gc.collect()
            # The scheduler lives in this process too.
            self.bytes.append(psutil.Process().memory_info().rss)


class KillOnce(horn.Callback):
    """Kills a worker after a round."""

    def __init__(self, client: Client, round: int) -> None:
        self.client, self.round = client, round

    def on_round_end(self, record: horn.RoundRecord) -> None:
        if record.round == self.round:
            pids = self.client.run(os.getpid)
            os.kill(pids[min(pids)], signal.SIGKILL)


def test_fifty_rounds_leave_tasks_and_memory_flat(client):
    X, y = load_digits(return_X_y=True)
    settings = {"n_groups": 2, "n_rounds": 50, "steps_per_round": 5}
    watch = Watch(client)
    horn.train(NETWORK, X, y, callbacks=[watch], **settings)
    per_round = 2 * (1 + 2 + 2 + 1) + 3  # two groups' tasks, the merge, the parent, the report
    ahead_and_since_the_cut = 3 + 5
    assert max(watch.tasks) <= per_round * ahead_and_since_the_cut
    assert max(watch.tasks[40:]) <= max(watch.tasks[:10])
    assert watch.bytes[-1] - watch.bytes[0] < 20 * 2**20


@pytest.mark.cluster
def test_a_lost_worker_reruns_at_most_the_rounds_since_the_cut():
    X, y = load_digits(return_X_y=True)
    settings = {"n_groups": 2, "n_rounds": 12, "steps_per_round": 5, "checkpoint_every": 4}
    expected = horn.train(NETWORK, X, y, **settings).model.parameters
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(CountTrainings())
        result = horn.train(NETWORK, X, y, callbacks=[KillOnce(client, 11)], **settings)
        done = client.run_on_scheduler(
            lambda dask_scheduler: dict(dask_scheduler.plugins["count-trainings"].done)
        )
    assert np.array_equal(result.model.parameters, expected)
    again = {key for key, times in done.items() if times > 1}
    last_cut = 8
    assert all(round >= last_cut for round, _, _ in again)
    assert sum(done.values()) <= 12 * 4 + 4 * 4
