"""What is about the CPU alone."""

from __future__ import annotations

import pytest

from dask_horn.kernels.device import device
from tests.kernels import runner


@pytest.fixture(scope="session", autouse=True, name="device")
def device_under_test():
    """What `run_kernel` runs on."""
    with runner.running_on(device("cpu")) as own:
        yield own
