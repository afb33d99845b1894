"""A run on a device with memory of its own: the same bits however it is shared out."""

from __future__ import annotations

from collections import Counter

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster
from sklearn.datasets import load_digits

import dask_horn as horn
from dask_horn.cluster import LocalExecutor
from dask_horn.training.plan.memory import footprint_of
from dask_horn.training.tasks.division import largest_sizes
from tests import fake_device
from tests.fake_device import FakeOnWorkers
from tests.training.run.test_lineage import CountTrainings
from tests.training.specs import settled

NETWORK = horn.Network([horn.Dense(24, activation="relu"), horn.Dense(10)], 64)
NORMALIZED = horn.Network([horn.Dense(24), horn.BatchNorm(activation="relu"), horn.Dense(10)], 64)
X, Y = load_digits(return_X_y=True)
X, Y = X[:600], Y[:600]
SETTINGS = {"n_groups": 3, "n_submodels": [2], "n_rounds": 2, "steps_per_round": 6}
CASES = {
    "joined": SETTINGS,
    "redrawn": {**SETTINGS, "redraw": True},
    "regrouped": {**SETTINGS, "n_submodels": [4, 2], "steps_per_round": 120, "n_groups": 2},
    "ensemble": {**SETTINGS, "merge": "ensemble", "n_submodels": [1], "n_groups": 6},
}


def _train(network=NETWORK, **settings):
    return horn.train(network, X, Y, **settings)


def _bits(result):
    model = result.model
    members = model.members if isinstance(model, horn.Ensemble) else [model]
    return [member.parameters.tobytes() + member.statistics.tobytes() for member in members]


def _room_for(n_submodels, n_groups, settings):
    """Memory for so many sub-models, of so many groups, of any round of a run."""
    spec = settled(NETWORK, X, Y, **settings)
    needed = [
        footprint_of(spec, plan, largest_sizes(spec, round)).of(n_submodels, n_groups)
        for round, plan in enumerate(spec.rounds)
    ]
    return max(needed)


@pytest.fixture(scope="module")
def expected():
    return {name: _bits(_train(**settings)) for name, settings in CASES.items()}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("capacity", [1, 3, 100])
def test_the_bits_are_those_of_one_at_a_time(fake, expected, case, capacity):
    fake.memory = _room_for(capacity, capacity, CASES[case])
    result = _train(device="fake", **CASES[case])
    assert _bits(result) == expected[case]
    assert result.history.device == result.history.scoring_device == "fake"
    rounds = result.history.column("n_groups"), result.history.column("n_submodels")
    assert sum(fake.together) == sum(np.multiply(*rounds))
    assert max(fake.together) >= min(capacity, 6)
    if capacity == 1:
        assert set(fake.together) == {1} or case == "regrouped"


def test_all_members_of_an_ensemble_are_one_task(fake):
    members = {**SETTINGS, "merge": "ensemble", "n_submodels": [1], "n_groups": 64}
    result = _train(device="fake", **members)
    assert fake.together == [64, 64]
    assert len(result.model.members) == 64


def test_as_many_as_the_memory_holds_are_one_task(fake):
    fake.memory = _room_for(4, 2, SETTINGS)
    _train(device="fake", **SETTINGS)
    assert sorted(fake.together) == [2, 2, 4, 4]


@pytest.mark.parametrize("redraw", [False, True])
def test_reports_are_those_of_one_at_a_time(fake, redraw):
    settings = {**SETTINGS, "redraw": redraw}
    there, here = _train(device="fake", **settings), _train(**settings)
    for name in ("losses", "samples", "bytes_to_workers", "bytes_from_workers"):
        assert there.history.column(name) == here.history.column(name)


def test_a_task_of_many_has_the_key_of_its_first(fake):
    fake.memory = _room_for(4, 2, SETTINGS)
    graph = horn.training_graph(NETWORK, X, Y, device="fake", **SETTINGS)
    keys = [key for key in graph.dask if isinstance(key, tuple)]
    places = {key[1:] for key in keys if key[0].startswith("train-")}
    assert places == {(round, group, 0) for round in (0, 1) for group in (0, 2)}
    picked = {key[1:] for key in keys if key[0].startswith("delta-")}
    assert picked == {(r, g, k) for r in (0, 1) for g in range(3) for k in (0, 1)}


def test_the_cpu_has_a_task_for_each(fake):
    graph = horn.training_graph(NETWORK, X, Y, **SETTINGS)
    stages = Counter(key[0].split("-")[0] for key in graph.dask if isinstance(key, tuple))
    assert stages["train"] == 2 * 3 * 2
    assert not stages["gather"] and not stages["delta"]


def test_tasks_of_the_device_do_not_overlap(fake):
    fake.memory = _room_for(1, 1, SETTINGS) + 2**14
    with dask.config.set(scheduler="threads", num_workers=4):
        _train(NORMALIZED, device="fake", validation_data=(X, Y), **SETTINGS)
    assert len(fake.together) > 2 * 3 * 2
    assert fake.most_at_once == 1


def test_what_is_in_need_is_told_before_work(fake):
    fake.memory = 2**15
    with pytest.raises(ValueError, match=r"device='fake'.* needs .*kiB.* has 32.00 kiB; use devi"):
        _train(device="fake", **SETTINGS)
    assert fake.together == []


def test_what_would_fit_is_told(fake):
    network = horn.Network([horn.Dense(512, "relu"), horn.Dense(512), horn.Dense(10)], 64)
    settings = {**SETTINGS, "batch_size": 128, "n_rounds": 1}
    fake.memory = 5 * 2**18
    with pytest.raises(ValueError, match="of round 1 needs") as told:
        _train(network, device="fake", **settings)
    assert str(told.value).endswith("use n_submodels=[4] or device='cpu'")
    _train(network, device="fake", **{**settings, "n_submodels": [4]})


def test_a_smaller_batch_may_be_what_fits(fake):
    settings = {**SETTINGS, "n_rounds": 1}
    fake.memory = _room_for(1, 1, {**settings, "batch_size": 32})
    with pytest.raises(ValueError, match="use batch_size=32 or"):
        _train(device="fake", **settings, batch_size=128)
    _train(device="fake", **settings, batch_size=32)


@pytest.mark.parametrize("missing", ["", "There is no Fake."])
def test_auto_takes_what_there_is(fake, missing):
    fake.missing = missing
    result = _train(device="auto", **SETTINGS)
    assert result.history.device == ("cpu" if missing else "fake")
    assert result.model.device == result.history.device
    assert bool(fake.together) is not bool(missing)


def test_a_device_that_is_missing_is_told(fake):
    fake.missing = "there is no Fake here."
    words = r"device='fake': this process cannot use it \(there is no Fake here\); use devi"
    with pytest.raises(ValueError, match=words):
        _train(device="fake", **SETTINGS)


def test_the_processes_of_a_worker_are_told_what_they_lack(fake):
    fake.missing = "there is no Fake here"
    assert LocalExecutor("sync").device_states("fake")["this process"].missing == fake.missing


def test_a_checkpoint_says_what_scored(fake, tmp_path):
    class Stop(horn.Callback):
        def on_round_end(self, record):
            raise StopIteration

    settings = {**SETTINGS, "checkpoint": tmp_path / "run"}
    _train(device="fake", callbacks=[Stop()], **settings)
    history = _train(device="fake", **settings).history
    assert (len(history), history.device, history.scoring_device) == (2, "fake", "fake")
    with pytest.raises(ValueError, match="another device"):
        _train(**settings)


# ------------------------------------------------------------------------------- on clusters


class Listen(horn.Callback):
    """Keeps what a run says when it starts."""

    def on_run_start(self, event):
        self.event = event


@pytest.fixture
def workers(fake):
    """A cluster of three processes that know the device and lack it."""
    settings = {"threads_per_worker": 2, "dashboard_address": ":0", "silence_logs": 50}
    with LocalCluster(n_workers=3, **settings) as cluster, Client(cluster) as client:
        client.register_plugin(FakeOnWorkers())
        fake.missing = "the client has no Fake"
        yield client


@pytest.mark.cluster
def test_a_cluster_without_the_device_is_told(workers):
    with pytest.raises(ValueError, match=r"none of the 3 workers can use it \(there is no Fake"):
        _train(device="fake", **SETTINGS)
    assert _train(device="auto", **SETTINGS).history.device == "cpu"


@pytest.mark.cluster
@pytest.mark.parametrize("n_having", [2, 3])
def test_only_workers_that_have_the_device_train(workers, n_having, expected):
    addresses = sorted(workers.cluster.scheduler.workers)
    having = addresses[:n_having]
    workers.run(fake_device.plug_in, workers=having)
    listen = Listen()
    validation = {"validation_data": (X, Y), "callbacks": [listen]}
    for case in ("joined", "redrawn", "ensemble"):
        result = _train(device="auto", **CASES[case], **validation)
        assert _bits(result) == expected[case]
        scoring = "fake" if n_having == 3 else "cpu"
        assert (result.history.device, result.history.scoring_device) == ("fake", scoring)
        assert (listen.event.device, listen.event.scoring_device) == ("fake", scoring)
    used = workers.run(fake_device.machines)
    assert {worker for worker, found in used.items() if found} == set(having)
    normalized = _train(NORMALIZED, device="fake", **SETTINGS)
    assert _bits(normalized) == _bits(_train(NORMALIZED, **SETTINGS))


@pytest.mark.cluster
def test_the_submodels_of_a_worker_are_one_task(workers):
    workers.run(fake_device.plug_in)
    workers.register_plugin(CountTrainings())
    _train(device="fake", **SETTINGS)
    found = workers.run(fake_device.machines).values()
    assert [n for of_worker in found for n in of_worker] == [2] * 6
    count = "count-trainings"
    done = workers.run_on_scheduler(lambda dask_scheduler: dask_scheduler.plugins[count].done)
    assert set(done) == {(round, group, 0) for round in (0, 1) for group in range(3)}


@pytest.mark.cluster
def test_a_worker_that_joins_without_the_device_gets_no_task_of_it(workers):
    workers.run(fake_device.plug_in)

    class Join(horn.Callback):
        def on_round_end(self, record):
            if record.round == 1:
                workers.cluster.scale(4)
                workers.wait_for_workers(4)

    settings = {**SETTINGS, "n_rounds": 8, "validation_data": (X, Y)}
    result = _train(NORMALIZED, device="fake", callbacks=[Join()], **settings)
    assert result.history.scoring_device == "fake"
    used = workers.run(fake_device.machines)
    assert len(used) == 4
    assert sum(map(bool, used.values())) == 3


@pytest.mark.cluster
def test_a_run_that_loses_all_workers_with_the_device_waits_for_another(workers, monkeypatch):
    monkeypatch.setattr("dask_horn.cluster.watch._SLICE", 0.5)
    monkeypatch.setattr("dask_horn.cluster.watch._PATIENCE", 1)
    last, told = max(workers.cluster.scheduler.workers), []
    workers.run(fake_device.plug_in, workers=[last])

    class Retire(horn.Callback):
        def on_round_end(self, record):
            if record.round == 1:
                workers.retire_workers([last])

        def on_event(self, event):
            told.append(str(event))

    settings = {**SETTINGS, "n_rounds": 30, "timeout": 10}
    words = r"a worker with device='fake': no worker is left that can use it \(there is no Fake"
    with pytest.raises(horn.WaitTimeoutError, match=words):
        _train(device="fake", callbacks=[Retire()], **settings)
    assert any("waiting for a worker with device='fake'" in words for words in told)
