"""Which workers can use a device: what each of them says of it."""

from __future__ import annotations

from collections.abc import Mapping

from dask_horn.kernels.device import DeviceState, device

HOST = "cpu"  #: the device that every worker has: the processor that it runs on

_REASONS = 3  # that are told at most: a thousand workers may all say the same


def state_of(name: str) -> DeviceState:
    """Tell what a device is in this process: clusters call this on their workers."""
    try:
        return device(name).state()
    except ImportError as error:  # one of the packages that it needs
        return DeviceState(name, "", missing=str(error))


def usable(states: Mapping[str, DeviceState]) -> dict[str, DeviceState]:
    """Return the states of those workers that can use the device."""
    return {worker: state for worker, state in states.items() if not state.missing}


def reasons(states: Mapping[str, DeviceState]) -> str:
    """Tell what the device lacks, each thing once."""
    told = list(dict.fromkeys(state.missing.rstrip(".") for state in states.values()))
    told = [reason for reason in told if reason]
    return "; ".join(told[:_REASONS]) + ("; …" if len(told) > _REASONS else "")
