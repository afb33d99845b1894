"""Settings of the whole test suite, and a cluster for those who ask for one."""

from __future__ import annotations

import numba
import pytest
from hypothesis import settings

# A first example may compile kernels, and other processes take the cores: time proves nothing.
settings.register_profile("dask_horn", deadline=None)
settings.load_profile("dask_horn")


@pytest.fixture(scope="module")
def local_cluster():
    """Two workers, which are processes; tests that kill workers start their own."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as cluster:
        yield cluster


@pytest.fixture
def client(local_cluster):
    """The default client while the test runs, and no longer: other tests train without one."""
    from distributed import Client

    with Client(local_cluster) as client:
        yield client


@pytest.fixture
def fake(monkeypatch):
    """A second device while the test runs, as any that the library knows."""
    from dask_horn.kernels import device
    from dask_horn.training.plan import options
    from dask_horn.training.run import devices
    from tests import fake_device

    known = (*device.DEVICES, fake_device.NAME)
    monkeypatch.setitem(device._MODULES, fake_device.NAME, fake_device.__name__)
    monkeypatch.setattr(device, "DEVICES", known)
    monkeypatch.setattr(devices, "DEVICES", known)
    monkeypatch.setattr(options, "KNOWN_DEVICES", (*known, "auto"))
    fake_device.DEVICE.__init__()
    return fake_device.DEVICE


@pytest.fixture(params=["threads", pytest.param("cluster", marks=pytest.mark.cluster)])
def on_threads_and_cluster(request):
    """Runs a test twice: here, and on the workers."""
    if request.param == "cluster":
        request.getfixturevalue("client")


def _missing_gpu():
    """What keeps a GPU from being used, or the simulator; empty where nothing does."""
    from dask_horn.kernels.device import device

    return device("cuda").state().missing


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marker
def pytest_collection_modifyitems(items):
    for item in items:
        if "client" in getattr(item, "fixturenames", ()):
            item.add_marker("cluster")
        if item.get_closest_marker("gpu") and _missing_gpu():
            item.add_marker(pytest.mark.skip(reason=_missing_gpu()))
        if numba.config.ENABLE_CUDASIM:  # kernels in Python warn of what a GPU does silently
            item.add_marker(pytest.mark.filterwarnings("ignore::RuntimeWarning"))
