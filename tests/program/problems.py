"""Something to train on, done by a program and by the oracle."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dask_horn.kernels.device import Steps, Window
from dask_horn.network import (
    LOSSES,
    Dense,
    Dropout,
    Embedding,
    Network,
    ParameterTable,
    Recurrent,
)
from dask_horn.program import prediction_program, training_program
from tests import oracle
from tests.kernels.masks import dropconnect_masks
from tests.kernels.runner import run_kernel, under_test

KEY = 0x1234567890ABCDEF


@dataclass(frozen=True)
class Problem:
    """A network with parameters, samples and targets."""

    network: Network
    table: ParameterTable
    parameters: np.ndarray  # float32 (table.size,), biases too
    x: np.ndarray  # float32 (n, n_inputs)
    targets: np.ndarray  # as the oracle takes them
    mean: np.ndarray  # float64 (n_inputs,)
    scale: np.ndarray

    @property
    def encoded(self):
        """The targets as programs take them."""
        return np.ascontiguousarray(self.targets.reshape(len(self.x), -1), np.float32)

    @property
    def counted(self):
        """Which steps (n, steps) are no padding; None where none is."""
        return counted_steps(self.network, self.x)

    @property
    def standardized(self):
        return (self.x.astype(float) - self.mean) / self.scale


def problem(network, n, sizes=None, seed=0):
    """A random problem of n samples, for the network or a part of it with axes of these sizes."""
    rng = np.random.default_rng(seed)
    table = network.parameters.restrict(sizes or {})
    parameters = np.zeros(table.size, np.float32)
    for name, tensor in table.as_dict(parameters).items():
        spread = 1 / np.sqrt(tensor.shape[0]) if tensor.ndim > 1 else 0.3
        tensor[...] = rng.normal(scale=spread, size=table[name].shape)
    mean, scale = rng.normal(size=network.n_inputs), rng.uniform(0.5, 2, network.n_inputs)
    x = mean + scale * rng.normal(size=(n, network.n_inputs))
    if network.standardizing == "none":
        mean, scale = np.zeros(network.n_inputs), np.ones(network.n_inputs)
        x = rng.integers(_n_tokens(network), size=x.shape)
    if network.takes_missing:
        x[rng.random(x.shape) < 0.3] = np.nan
    if network.mask_value is not None:
        steps = x.reshape(n, network.input_shape[0], -1)
        steps[rng.random(steps.shape[:2]) < 0.3] = network.mask_value
    rows = n * network.output_rows
    targets = {
        "classes": rng.integers(network.n_outputs, size=rows),
        "labels": rng.integers(2, size=(rows, network.n_outputs)),
        "values": 2 * rng.normal(size=(rows, network.n_outputs)),
    }[LOSSES[network.loss].kind]
    targets = targets.reshape(n, *targets.shape[1:] if rows == n else (network.output_rows, -1))
    _put_measured(network, table, parameters, (x - mean) / scale)
    return Problem(network, table, parameters, x.astype("f4"), targets, mean, scale)


def _put_measured(network, table, parameters, standardized):
    """Put what is measured, not trained, in its place: no other values make sense."""
    if network.measures:
        whole = network.initial_values(0, samples=standardized.astype("f4"))
        for placed in network.placed:
            for tensor in placed.tensors if placed.layer.measures else ():
                own = table.view(parameters, tensor.name)
                own[...] = network.parameters.view(whole, tensor.name)


def counted_steps(network, x):
    """Which steps (n, steps) of float32 samples are no padding; None where none is."""
    if network.mask_value is None:
        return None
    steps = x.reshape(len(x), network.input_shape[0], -1)
    return (steps != np.float32(network.mask_value)).any(axis=2)


def _n_tokens(network):
    first = network.layers[0]
    assert isinstance(first, Embedding)
    return first.n_tokens


def masks(network, table, batch, step, key=KEY):
    """What the masks of a step keep, by layer, as the kernels draw them."""
    found = {}
    for stream, placed in enumerate(network.placed):
        layer, draw = placed.layer, {"stream": stream, "step": step, "key": key}
        if isinstance(layer, Dropout) and layer.rate > 0:
            width = placed.inputs.restricted(table.axis_lengths).size
            found[layer.name] = _dropout_mask(layer, (batch, width), draw)
        if isinstance(layer, Dense) and layer.dropconnect > 0:
            weight = table[f"{layer.name}/W"].shape
            shape = (batch * placed.inputs.rows, math.prod(weight[:-1]) + 1, weight[-1])
            kept = layer.keep_probability
            found[layer.name] = dropconnect_masks(shape, kept, layer.dropconnect_mask, **draw)
        if isinstance(layer, Recurrent) and layer.dropconnect > 0:
            units, n_gates, _ = table[f"{layer.name}/U"].shape
            shape, kept = (batch, units, n_gates * units), layer.keep_probability
            found[layer.name] = dropconnect_masks(shape, kept, layer.dropconnect_mask, **draw)
    return found


def _dropout_mask(layer, shape, draw):
    ones = np.ones(shape, np.float32)
    ran = run_kernel(
        "dropout_forward",
        *(ones, ones, ones),
        batch=shape[0],
        n_out=shape[1],
        constants=[layer.rate],
        **draw,
    )
    return ran.buffers[2] != 0


def train(case, starts, rates, optimizer, scales=None, class_weights=None, order=None):
    """Losses, and parameters after the program's steps."""
    program = training_program(
        case.network,
        case.table,
        scales or {},
        device=under_test(),
        batch_size=int(np.diff(starts).max()),
        sample_dtype="float32",
        optimizer=optimizer,
        class_weights=class_weights,
    )
    machine = loaded(program, case)
    order = np.arange(len(case.x)) if order is None else order
    steps = Steps(order, np.array(starts), np.array(rates, float))
    losses = machine.run(machine.stage([Window([case.x], [case.encoded])]), [steps]).losses()[0]
    return losses, machine.parameters()[0].copy()


def loaded(program, case, parameters=None, key=KEY):
    """A machine for a program at the problem's parameters, or at others."""
    machine = under_test().machine([program], case)
    machine.load([case.parameters if parameters is None else parameters], [key])
    return machine


def predicted(case, x=None, statistics=None, *, batch_size=16, parameters=None, n_layers=None):
    """The outputs of the problem's samples, or of others; of the first layers if so many."""
    program = prediction_program(
        case.network,
        statistics,
        device=under_test(),
        batch_size=batch_size,
        sample_dtype="float32",
        n_layers=n_layers,
    )
    machine, x = loaded(program, case, parameters), case.x if x is None else x
    steps = Steps.through(len(x), batch_size)
    return machine.outputs(machine.stage([Window([x])]), [steps])[0]


def train_by_oracle(case, starts, rates, optimizer, scales=None, class_weights=None):
    """The same, in float64."""
    network = case.network
    params = case.table.as_dict(case.parameters.astype(float))
    rule = oracle.OPTIMIZERS[optimizer.name]
    state = rule.start(params)
    losses = []
    for step, rate in enumerate(rates):
        rows = slice(starts[step], starts[step + 1])
        x, targets = case.standardized[rows], case.targets[rows]
        kept = masks(network, case.table, len(x), step)
        counted = None if case.counted is None else case.counted[rows]
        outputs, _ = oracle.forward(network, params, x, scales, kept, counted)
        losses.append(oracle.loss(network, outputs, targets, class_weights, counted))
        options = oracle.Options(scales or {}, kept, counted=counted)
        grads = oracle.gradients(network, params, x, targets, options, class_weights)
        if optimizer.clip_norm is not None:
            grads = oracle.clip_by_norm(grads, optimizer.clip_norm)
        params, state = rule.step(network, params, grads, state, rate, optimizer)
    return losses, params


def assert_same_steps(case, starts, rates, optimizer, tolerance, **options):
    """The program's losses and parameters are the oracle's.

    `tolerance` bounds a parameter's error, as a share of the tensor's largest displacement.
    """
    losses, after = train(case, starts, rates, optimizer, **options)
    expected_losses, expected = train_by_oracle(case, starts, rates, optimizer, **options)
    np.testing.assert_allclose(losses, expected_losses, rtol=max(2e-5, tolerance / 10), atol=1e-6)
    before = case.table.as_dict(case.parameters.astype(float))
    for name, found in case.table.as_dict(after).items():
        moved = np.abs(expected[name] - before[name]).max()
        bound = tolerance * moved + 3e-7 * (np.abs(before[name]).max() + moved)
        np.testing.assert_allclose(found, expected[name], rtol=0, atol=bound, err_msg=name)
    padding = np.ones(case.table.size, bool)
    for tensor in case.table.tensors:
        padding[tensor.offset : tensor.offset + tensor.size] = False
    assert not after[padding].any()
