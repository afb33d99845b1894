"""Programs are judged on every device that can run them: a test asks nothing for it."""

from __future__ import annotations

import pytest

from dask_horn.kernels.device import device
from tests.kernels import runner


@pytest.fixture(scope="session", params=runner.HERE, autouse=True, name="device")
def device_under_test(request):
    """What programs run on."""
    with runner.running_on(device(request.param)) as own:
        yield own


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    with runner.skipping_what_is_missing():
        return (yield)
