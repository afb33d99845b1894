"""A second device, for tests: the CPU's kernels under another name, with a memory of its own."""

from __future__ import annotations

import threading

from distributed import WorkerPlugin

from dask_horn.kernels import device as devices
from dask_horn.kernels.device import DeviceState

NAME = "fake"
LARGE = 2**30


class FakeDevice:
    """Does what the CPU does, and notes how many programs it is given at a time."""

    name = NAME

    def __init__(self):
        self.memory, self.missing = LARGE, ""
        self.together = []  # of each machine, how many programs
        self.most_at_once = 0  # machines
        self._running = 0
        self._lock = threading.Lock()

    def __getattr__(self, name):
        return getattr(devices.device("cpu"), name)

    def state(self):
        return DeviceState(
            self.name, "Fake 1", None if self.missing else self.memory, missing=self.missing
        )

    def machine(self, programs, scaling, precision="float32"):
        self.together.append(len(programs))
        return FakeMachine(self, devices.device("cpu").machine(programs, scaling, precision))


class FakeMachine:
    """Lives from when it is loaded to its last parameters, of which no two may overlap."""

    def __init__(self, device, machine):
        self._device, self._machine = device, machine

    def __getattr__(self, name):
        return getattr(self._machine, name)

    def load(self, *arguments):
        with self._device._lock:
            self._device._running += 1
            self._device.most_at_once = max(self._device.most_at_once, self._device._running)
        self._machine.load(*arguments)

    def __del__(self):
        with self._device._lock:
            self._device._running -= 1


DEVICE = FakeDevice()


class FakeOnWorkers(WorkerPlugin):
    """Makes the device known on all workers, those that join later too, where it is missing."""

    name = "fake-device"

    def setup(self, worker):
        devices._MODULES[NAME] = __name__
        DEVICE.missing = "there is no Fake here."


def plug_in(memory=LARGE):
    """Let a worker have the device, from now on."""
    DEVICE.memory, DEVICE.missing = memory, ""


def machines():
    """How many programs each machine of a process had."""
    return DEVICE.together
