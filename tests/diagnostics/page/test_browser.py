"""The page in a browser, while something trains: on this machine's cluster, and on another's."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from distributed import Client, LocalCluster

import dask_horn as horn
from tests.diagnostics.page.browser import DRIVER, PATIENCE, chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(DRIVER is None, reason="there is no chromedriver"),
]

ROOT = Path(__file__).parents[3]
PLANS = {"n_groups": 2, "n_submodels": [4, 4, 4, 4, 2, 2, 2], "n_rounds": 7}
NETWORK = horn.Network([horn.Dense(32, activation="relu"), horn.Dense(2)], input_shape=4)
X = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


@pytest.fixture(scope="module")
def chromium_of_all(tmp_path_factory):
    pytest.importorskip("selenium", reason="needs the extra `browser`")
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(chromium_of_all):
    yield chromium_of_all
    chromium_of_all.leave()  # or it goes on asking for a scheduler that has gone


class Gates(horn.Callback):
    """Holds the run after each round until the test lets it go on."""

    def __init__(self):
        self._open = [threading.Event() for _ in range(PLANS["n_rounds"])]

    def on_round_end(self, record):
        assert self._open[record.round - 1].wait(PATIENCE)

    def let_pass(self, round):
        for gate in self._open[:round]:
            gate.set()


@contextmanager
def training(**settings):
    """A run in another thread, held after its first round."""
    gates = Gates()
    given = {**PLANS, "validation_data": (X, Y), "callbacks": [gates], **settings}
    thread = threading.Thread(target=lambda: horn.train(NETWORK, X, Y, **given))
    thread.start()
    try:
        yield gates
    finally:
        gates.let_pass(PLANS["n_rounds"])
        thread.join(PATIENCE)


def root_of(client):
    """Where the dashboard is, once the page is there too."""
    root = client.dashboard_link.rsplit("/", 1)[0]
    deadline = time.monotonic() + PATIENCE
    while "horn" not in read(f"{root}/individual-plots.json"):
        assert time.monotonic() < deadline, "the page does not come"
        time.sleep(0.1)
    return root


def read(url):
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return answer.read().decode()


def test_the_page_follows_a_run(browser):
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        Client(cluster) as client,
        training() as gates,
    ):
        root = root_of(client)
        browser.open(f"{root}/horn")
        browser.until("rounds", "round", lambda rounds: rounds == [1])
        bar = [link.text for link in browser.driver.find_elements("css selector", ".navbar a")]
        assert "Horn" in bar

        gates.let_pass(2)  # curves move, and the map has two groups of four
        browser.until("rounds", "round", lambda rounds: rounds == [1, 2, 3])
        browser.until("scores", "score", lambda scores: len(scores) == 3)
        browser.until("division", "units", lambda units: len(units) == 8)
        browser.until("tasks", "stage", lambda stages: stages.count("train") >= 3 * 8)
        assert "3 / 7" in browser.html("header")

        gates.let_pass(4)  # parts join
        browser.until("rounds", "round", lambda rounds: rounds == [1, 2, 3, 4, 5])
        units = browser.until("division", "units", lambda units: len(units) == 4)
        assert sum(map(int, units)) == 2 * 32

        browser.open(f"{root}/horn")  # a reload
        assert browser.until("rounds", "round", bool) == [1, 2, 3, 4, 5]
        moved = browser.until("traffic", "moved", bool)
        assert moved == sorted(moved)

        gates.let_pass(7)
        browser.until_html("header", "ended")
        assert browser.column("rounds", "round") == [1, 2, 3, 4, 5, 6, 7]
        assert browser.errors() == []


def test_single_plots_and_an_earlier_run(browser):
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        for n_rounds in (3, 2):
            with training(n_rounds=n_rounds, n_submodels=2) as gates:
                gates.let_pass(n_rounds)
        root = root_of(client)
        plots = json.loads(read(f"{root}/individual-plots.json")).values()
        for name, source, column in (
            ("individual-horn-loss", "rounds", "round"),
            ("individual-horn-map", "division", "units"),
            ("individual-horn-timeline", "tasks", "lane"),
            ("individual-horn-traffic", "traffic", "moved"),
        ):
            assert f"/{name}" in plots
            browser.open(f"{root}/{name}")
            browser.until(source, column, bool)

        browser.open(f"{root}/horn")
        browser.until("rounds", "round", lambda rounds: rounds == [1, 2])
        choose = """
            const choice = Bokeh.documents[0].get_model_by_name("choice")
            choice.value = choice.options.at(-1)[0]
        """
        browser.driver.execute_script(choose)
        browser.until("rounds", "round", lambda rounds: rounds == [1, 2, 3])
        assert browser.errors() == []


BLOCK = """
import sys

class Block:
    def find_spec(name, path=None, target=None):
        if name.startswith("dask_horn.diagnostics"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Block)
"""


@contextmanager
def process(*command, python_path):
    """A process of its own, with a path for Python."""
    environment = {**os.environ, "PYTHONPATH": str(python_path)}
    with subprocess.Popen(
        [sys.executable, "-m", *command], env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:  # fmt: skip
        try:
            yield running
        finally:
            running.terminate()


def test_a_scheduler_of_its_own_that_does_not_know_the_page(browser, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BLOCK)
    file = tmp_path / "scheduler.json"
    address = ["--scheduler-file", str(file)]
    scheduler = [*address, "--host", "127.0.0.1", "--port", "0", "--dashboard-address", ":0"]
    worker = [*address, "--host", "127.0.0.1", "--nworkers", "2", "--nthreads", "1",
              "--no-dashboard", "--local-directory", str(tmp_path)]  # fmt: skip
    with ExitStack() as stack:
        enter = stack.enter_context
        enter(
            process("distributed.cli.dask_scheduler", *scheduler, python_path=f"{tmp_path}:{ROOT}")
        )
        enter(process("distributed.cli.dask_worker", *worker, python_path=ROOT))
        client = enter(Client(scheduler_file=str(file), timeout=PATIENCE))
        client.wait_for_workers(2, timeout=PATIENCE)
        with pytest.raises(ModuleNotFoundError):
            client.run_on_scheduler(importlib.import_module, "dask_horn.diagnostics")
        gates = enter(training())
        root = root_of(client)
        browser.open(f"{root}/horn")
        browser.until("rounds", "round", lambda rounds: rounds == [1])
        gates.let_pass(4)
        browser.until("rounds", "round", lambda rounds: rounds == [1, 2, 3, 4, 5])
        browser.until("division", "units", lambda units: len(units) == 4)
        assert browser.errors() == []
