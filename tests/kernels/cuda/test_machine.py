"""What a machine holds of the device, and for how long."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from dask_horn.kernels.device import Steps, Window
from dask_horn.network import Dense, Network
from dask_horn.program import Optimizer, training_program
from tests.program.problems import problem

pytestmark = pytest.mark.gpu
CASE = problem(Network([Dense(2)], 3), 4)
STEPS = [Steps(np.arange(4), np.array([0, 2, 4]), np.array([0.1, 0.1]))]


def _machine(device):
    program = training_program(
        CASE.network,
        CASE.table,
        {},
        device=device,
        batch_size=2,
        sample_dtype="float32",
        optimizer=Optimizer("sgd"),
    )
    machine = device.machine([program], CASE)
    machine.load([CASE.parameters])
    return machine


def _run(machine):
    return machine.run(machine.stage([Window([CASE.x], [CASE.encoded])]), STEPS)


def test_memory_is_free_when_a_machine_is_gone(device):
    """And not when Python next looks for circles: the next task may need all of it."""
    machine = _machine(device)
    pending = _run(machine)
    pending.losses()
    arena = weakref.ref(machine.memory["arena"])
    gc.disable()
    try:
        del machine, pending
        assert arena() is None
    finally:
        gc.enable()


def test_a_machine_that_is_loaded_again_has_its_memory_where_it_was(device):
    machine = _machine(device)
    before = dict(machine.memory)
    _run(machine)
    machine.load([2 * CASE.parameters])
    assert all(machine.memory[name] is array for name, array in before.items())
    np.testing.assert_array_equal(machine.parameters()[0], 2 * CASE.parameters)


def test_losses_are_the_same_when_asked_again_and_after_the_next_steps(device):
    machine = _machine(device)
    first = _run(machine)
    second = _run(machine)  # nobody has asked for the first ones yet
    (losses,) = first.losses()
    (later,) = second.losses()
    assert losses.size == later.size == 2
    assert later[0] < losses[0]
    np.testing.assert_array_equal(first.losses()[0], losses)


def test_keys_of_any_64_bits_are_kept(device):
    machine = _machine(device)
    for key in (2**64 - 1, 2**63, 7):
        machine.load([CASE.parameters], [key])
        found = machine.memory["counters"].copy_to_host()[0].view(np.uint64)
        assert key in found.tolist()
