"""What holds for CUDA alone is tested once, whatever other devices there are."""

from __future__ import annotations

import numba
import pytest

from dask_horn.kernels.device import device


@pytest.fixture(scope="session", autouse=True, name="device")
def device_under_test():
    """The device itself, which need not be able to run anything."""
    return device("cuda")


@pytest.fixture
def simulator():
    """For tests that replace a library, whose stand-in reads the device's memory as the host's."""
    if not numba.config.ENABLE_CUDASIM:
        pytest.skip("needs the simulator")
