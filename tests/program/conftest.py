"""Programs are judged on every device: a test asks nothing for it, and is run for each."""

from __future__ import annotations

import pytest

from dask_horn.kernels.device import DEVICES, device
from tests.kernels import runner


@pytest.fixture(scope="session", params=DEVICES, autouse=True, name="device")
def device_under_test(request):
    """What programs run on."""
    with runner.running_on(device(request.param)) as own:
        yield own
