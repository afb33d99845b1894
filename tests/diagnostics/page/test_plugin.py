"""The scheduler's plugin: records are kept, the page comes once, and goes when asked."""

from __future__ import annotations

import json
import logging
import pickle
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

import dask
import pytest
from distributed import Client, LocalCluster

import dask_horn as horn
from dask_horn.cluster import page
from dask_horn.cluster.telling import PROGRESS, TOPIC
from dask_horn.diagnostics.page import NAME, PageByValue
from dask_horn.diagnostics.page.plugin import TOPICS, HornPage
from tests.diagnostics.page.told import WORKERS, begun, merged, progress

SINGLE = {"individual-horn-loss", "individual-horn-map", "individual-horn-timeline",
          "individual-horn-traffic"}  # fmt: skip


class Scheduler:
    """As much of one as the plugin needs, without a dashboard."""

    workers: dict = {}

    def __init__(self, **events):
        self.events = events

    def get_events(self, topic):
        return [(0.0, message) for message in self.events.get(topic.replace("-", "_"), ())]


def started(**events):
    plugin = HornPage()
    plugin.start(Scheduler(**events))
    return plugin


def test_it_listens_to_what_workers_and_clients_tell():
    assert set(TOPICS) == {TOPIC, PROGRESS}


def test_what_was_told_before_is_taken_in():
    plugin = started(dask_horn=[begun(), merged(1)], dask_horn_progress=[progress(2, 0, 0)])
    run = plugin.state.newest
    assert run.begun and list(run.rounds) == [1] and run.training


def test_other_topics_are_not_its_business():
    plugin = started()
    plugin.log_event("all", begun())
    plugin.log_event("dask-horn-notices", begun())
    assert plugin.state.newest is None
    plugin.log_event("dask-horn", begun())
    assert plugin.state.newest is not None


def test_nobody_need_look_for_what_it_keeps_to_be_bounded():
    plugin = started()
    for i in range(5000):
        plugin.log_event("dask-horn-progress", progress(1, 0, i % 4, time=float(i)))
    assert len(plugin._pending) < 1000
    assert len(plugin.state.newest.training) == 4


def test_workers_are_called_by_their_names():
    plugin = started()
    assert plugin.name_of(WORKERS[0]) == "10.0.0.1:1"
    plugin._scheduler.workers = {WORKERS[0]: type("Worker", (), {"name": 3})}
    assert plugin.name_of(WORKERS[0]) == "worker 3"
    plugin._scheduler.workers = {}
    assert plugin.name_of(WORKERS[0]) == "worker 3"  # it has gone


WITHOUT = """
import sys
for name in {blocked}:
    sys.modules[name] = None  # importing it raises
import pickle
plugin = pickle.loads(bytes.fromhex(sys.stdin.read()))
print(type(plugin).__name__)
"""


@pytest.mark.parametrize(
    ("blocked", "kind"),
    [
        (["dask_horn", "numba", "zarr", "matplotlib", "sklearn", "rich"], "HornPage"),
        (["dask_horn", "bokeh"], "SchedulerPlugin"),  # does nothing
    ],
)
def test_a_scheduler_may_lack_the_package_or_bokeh(blocked, kind):
    # `find_spec` raises where sys.modules has None, so bokeh is hidden from it otherwise.
    code = WITHOUT.format(blocked=[name for name in blocked if name != "bokeh"])
    if "bokeh" in blocked:
        code = "import importlib.util as u\nf = u.find_spec\n" + (
            "u.find_spec = lambda n, *a: None if n == 'bokeh' else f(n, *a)\n" + code
        )
    told = pickle.dumps(PageByValue()).hex()
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, input=told, text=True, capture_output=True, check=True)
    assert done.stdout.split() == [kind]


def read(root, path):
    with urllib.request.urlopen(f"{root}/{path}", timeout=60) as answer:
        return answer.read().decode()


@pytest.fixture(params=[None, "some/prefix"])
def dashboard(request):
    """A scheduler alone, and where its dashboard is."""
    prefix = {"scheduler_kwargs": {"http_prefix": request.param}} if request.param else {}
    with (
        LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50, **prefix) as cluster,
        Client(cluster) as client,
    ):
        yield (
            client,
            client.dashboard_link.replace("/status", f"/{request.param or ''}").rstrip("/"),
        )


def n_applications(dask_scheduler):
    return len(dask_scheduler.http_application.applications)


def remove(dask_scheduler, name):
    dask_scheduler.plugins[name].remove()


@pytest.mark.cluster
def test_the_page_comes_once_and_goes(dashboard):
    client, root = dashboard
    before = json.loads(read(root, "individual-plots.json"))
    n = client.run_on_scheduler(n_applications)
    client.register_plugin(PageByValue())
    client.log_event(TOPIC, begun())
    client.register_plugin(PageByValue())  # as a second run does
    assert client.run_on_scheduler(n_applications) == n + 1
    assert 'class="horn"' in read(root, "horn")
    assert read(root, "status").count('<a href="horn">') == 1
    plots = json.loads(read(root, "individual-plots.json"))
    assert {url.rpartition("/")[2] for url in set(plots.values()) - set(before.values())} == SINGLE
    for url in SINGLE:
        assert "Dask: Horn" in read(root, url)

    client.run_on_scheduler(remove, name=NAME)
    client.unregister_scheduler_plugin(NAME)
    assert json.loads(read(root, "individual-plots.json")) == before
    assert '<a href="horn">' not in read(root, "status")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        read(root, "horn")
    client.register_plugin(PageByValue())  # what is known comes from the topic
    assert 'class="horn"' in read(root, "horn")


NETWORK = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(2)], input_shape=2)
X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 8
Y = [0, 1, 1, 0] * 8


@contextmanager
def in_process(**scheduler):
    """A cluster of one worker in this process."""
    given = {"processes": False, "dashboard_address": ":0", "scheduler_kwargs": scheduler}
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, **given) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def registered(monkeypatch):
    """Waits for the page, where a training has asked for it; tells what came of it."""
    calls = []
    monkeypatch.setattr(page, "begun", lambda call: calls.append(call))
    return lambda: [call() for call in calls]


def has_page(dask_scheduler, name):
    plugin = dask_scheduler.plugins.get(name)
    return plugin is not None and plugin._app is not None


@pytest.mark.cluster
@pytest.mark.parametrize("wanted", [True, False])
def test_a_training_brings_the_page_unless_told_not_to(registered, wanted):
    with dask.config.set({page.SETTING: wanted}), in_process() as client:
        horn.train(NETWORK, X, Y, n_rounds=2)
        registered()
        assert client.run_on_scheduler(has_page, name=NAME) is wanted


@pytest.mark.cluster
def test_the_page_is_sent_once(registered, monkeypatch):
    sent = []
    monkeypatch.setattr(Client, "register_plugin", lambda _, plugin: sent.append(plugin))
    with in_process() as client:
        page._show(client)
        assert len(sent) == 1
        monkeypatch.undo()
        client.register_plugin(PageByValue())
        monkeypatch.setattr(Client, "register_plugin", lambda _, plugin: sent.append(plugin))
        page._show(client)
        assert len(sent) == 1
        client.run_on_scheduler(remove, name=NAME)
        page._show(client)
        assert len(sent) == 2


@pytest.mark.cluster
def test_a_scheduler_without_a_dashboard_has_no_page(registered, caplog):
    with caplog.at_level(logging.INFO), in_process(dashboard=False) as client:
        horn.train(NETWORK, X, Y, n_rounds=1)
        registered()
        assert not client.run_on_scheduler(has_page, name=NAME)
    assert not [one for one in caplog.records if "no page" in one.getMessage()]


def test_what_fails_there_does_not_matter_here(caplog):
    class Broken:
        def get_metadata(self, keys, default):
            return default

        def register_plugin(self, plugin):
            raise OSError("the scheduler is gone")

    with caplog.at_level(logging.INFO, "dask_horn"):
        page._show(Broken())
    assert "the scheduler is gone" in caplog.text
