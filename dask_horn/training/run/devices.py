"""What a run's programs run on: settled once, when it starts, by asking where tasks are done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from dask.utils import format_bytes

from dask_horn.cluster import HOST, Executor, reasons, usable
from dask_horn.kernels.device import DEVICES, DeviceState, device
from dask_horn.network import Network
from dask_horn.program import prediction_program
from dask_horn.rounding import ceil_div
from dask_horn.training.plan.memory import footprint_of
from dask_horn.training.plan.spec import Devices, RunSpec
from dask_horn.training.tasks.division import largest_sizes

_SMALLEST_BATCH = 8  # that is proposed


def settled_devices(executor: Executor, name: str, network: Network, precision: str) -> Devices:
    """Return the devices that a run has which asks for `name`, one of `KNOWN_DEVICES`.

    Raises
    ------
    ValueError
        If no worker can use the device, or it lacks a layer's kernels, or the precision.
    """
    devices = _devices(executor, name)
    trains = device(devices.trains)
    if precision not in trains.precisions:
        known = " or ".join(map(repr, trains.precisions))
        raise ValueError(
            f"precision={precision!r}: device {trains.name!r} knows {known} only; use one of these "
            "or another device"
        )
    # What it lacks is told by whoever writes a program for it.
    prediction_program(network, device=trains, batch_size=1, sample_dtype="float32")
    return devices


def _devices(executor: Executor, name: str) -> Devices:
    wanted = [one for one in DEVICES if one != HOST] if name == "auto" else [name]
    for one in wanted:
        if one == HOST:
            return Devices(HOST, HOST)
        states = executor.device_states(one)
        found = usable(states)
        if found:
            return Devices(one, one if len(found) == len(states) else HOST)
        if name != "auto":
            raise ValueError(_refusal(one, states))
    return Devices(HOST, HOST)


def smallest_room(spec: RunSpec, executor: Executor) -> int | None:
    """Return the least memory that a worker's device has of its own; None where it is the host's.

    Raises
    ------
    ValueError
        If that is too little for a single sub-model.
    """
    if spec.device == HOST:
        return None
    room = {
        worker: state.memory
        for worker, state in usable(executor.device_states(spec.device)).items()
        if state.memory is not None
    }
    if not room:
        return None
    worker = min(room, key=room.__getitem__)
    _check_room(spec, worker, room[worker])
    return room[worker]


def _check_room(spec: RunSpec, worker: str, room: int) -> None:
    firsts = {id(plan): round for round, plan in reversed(list(enumerate(spec.rounds)))}
    for round in sorted(firsts.values()):  # rounds that are alike share their plan
        needed = _needed(spec, round, largest_sizes(spec, round))
        if needed > room:
            ways = [*_ways_out(spec, round, room), f"device={HOST!r}"]
            raise ValueError(
                f"device={spec.device!r}: training one of the {spec.rounds[round].n_submodels} "
                f"sub-models of round {round + 1} needs {format_bytes(needed)} of its memory, with "
                f"the samples, and {worker} has {format_bytes(room)}; use "
                f"{' or '.join(ways)}"
            )


def _needed(spec: RunSpec, round: int, sizes: Mapping[str, int]) -> int:
    """Bytes that one sub-model with axes of these sizes needs."""
    return footprint_of(spec, spec.rounds[round], sizes).of(1, 1)


def _ways_out(spec: RunSpec, round: int, memory: int) -> Iterator[str]:
    """Yield the changes of one setting that would make a sub-model of the round fit."""
    sizes = largest_sizes(spec, round)
    batch_size = spec.batch_size // 2
    while batch_size >= _SMALLEST_BATCH:
        if _needed(replace(spec, batch_size=batch_size), round, sizes) <= memory:
            yield f"batch_size={batch_size}"
            break
        batch_size //= 2
    now = spec.rounds[round].n_submodels
    fewest = min((spec.network.unit_axes[axis] for axis in sizes), default=0)
    number = 2 * now
    while number <= fewest:
        smaller = {axis: ceil_div(size * now, number) for axis, size in sizes.items()}
        if _needed(spec, round, smaller) <= memory:
            yield f"n_submodels=[{number}]"  # a list: the run does not end with fewer
            break
        number *= 2


def _refusal(name: str, states: Mapping[str, DeviceState]) -> str:
    """Tell that nobody can use a device, and what would do."""
    said = reasons(states)
    if len(states) == 1:
        (worker,) = states
        return f"device={name!r}: {worker} cannot use it ({said}); use device={HOST!r}"
    return (
        f"device={name!r}: none of the {len(states)} workers can use it ({said}); start workers "
        f"that can, or use device={HOST!r}"
    )
