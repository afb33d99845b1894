"""Whole trainings on a GPU, or in the simulator: what they give is the CPU's, but for rounding."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from distributed import Client, LocalCluster

import dask_horn as horn
from dask_horn.data.rows import windows
from dask_horn.errors import DivergedError
from dask_horn.kernels.cuda.machine import _resident_blocks
from dask_horn.kernels.device import device
from tests.kernels.runner import at_most

RNG = np.random.default_rng(0)
X = RNG.normal(size=(at_most(24, 12), 5)).astype("f4")
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
NETWORK = horn.Network(
    [horn.Dense(6, activation="relu"), horn.Dropout(0.2), horn.Dense(2)], input_shape=5
)
MASKED = horn.Network([horn.Dense(4, activation="gelu", dropconnect=0.5), horn.Dense(2)], 5)
CASES = {
    "joined": {"n_groups": 2, "n_submodels": [2, 1], "n_rounds": 2, "optimizer": "sgd"},
    "ensemble": {"n_groups": 2, "n_submodels": [1], "n_rounds": 1, "merge": "ensemble"},
}
NETWORKS = {"joined": NETWORK, "ensemble": MASKED}


def _train(name="joined", network=None, **settings):
    settings = {**CASES[name], "batch_size": at_most(8, 4), "learning_rate": 0.1, **settings}
    settings = {"validation_data": (X, Y), "steps_per_round": at_most(2, 1), **settings}
    return horn.train(network or NETWORKS[name], X, Y, **settings)


@functools.cache
def _trained_there(name="joined"):
    """A training that several tests compare with: a simulator takes long for one."""
    return _train(name, device="cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("name", CASES)
def test_a_training_is_the_cpus_but_for_rounding(name):
    found, expected = _trained_there(name), _train(name)
    assert (found.history.device, expected.history.device) == ("cuda", "cpu")
    # AdamW, the ensemble's, divides by a gradient's size, however small.
    tolerance = 1e-3 if name == "ensemble" else 2e-5
    np.testing.assert_allclose(
        found.model.predict_proba(X), expected.model.predict_proba(X), atol=tolerance
    )
    for own, other in zip(found.history, expected.history, strict=True):
        assert own.loss == pytest.approx(other.loss, rel=tolerance)
        assert own.validation_loss == pytest.approx(other.validation_loss, rel=tolerance)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:The array X in .* has chunks of .*, more than")  # rightly so
def test_samples_that_fit_are_read_once_in_a_run(monkeypatch):
    """However little the host keeps of them; and they are given up with the run."""
    monkeypatch.setattr(windows._decoded, "max_bytes", 0)
    read = []

    def counting(run, store, block, targets):
        read.append(block)
        return decoded(run, store, block, targets)

    decoded = windows.decoded
    monkeypatch.setattr(windows, "decoded", counting)
    result = _train(device="cuda", validation_data=None)
    assert len(read) == len(set(read)) > 0
    assert not _resident_blocks()._arrays
    monkeypatch.undo()
    expected = _trained_there()
    np.testing.assert_array_equal(result.model.parameters, expected.model.parameters)


@pytest.mark.gpu
def test_draws_of_masks_begin_with_what_the_gpu_computes():
    model = _train("ensemble", device="cpu").model.members[0]
    layers = [horn.Dense(4, activation="tanh"), *model.network.layers]
    network = horn.Network(layers, 5)
    deeper = _train("ensemble", network=network, device="cpu").model.members[0]
    for own in (model, deeper):
        expected = own.predict_proba(X, inference="sample", seed=0)
        found = own.on("cuda").predict_proba(X, inference="sample", seed=0)
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.cluster
def test_workers_give_the_same_bits_as_this_process():
    alone = _trained_there().model
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, dashboard_address=":0", silence_logs=50
        ) as cluster,
        Client(cluster),
    ):
        on_cluster = _train(device="auto")
    assert on_cluster.history.device == "cuda"
    np.testing.assert_array_equal(on_cluster.model.parameters, alone.parameters)


@pytest.mark.gpu
def test_an_estimator_trains_there():
    classifier = horn.HornClassifier(
        hidden_layer_sizes=(4,),
        n_rounds=1,
        steps_per_round=at_most(2, 1),
        batch_size=at_most(8, 4),
        device="cuda",
    )
    assert classifier.fit(X, Y).predict_proba(X).shape == (len(X), 2)
    assert classifier.history_.device == "cuda"


@pytest.mark.gpu
def test_a_loss_that_is_not_finite_names_the_sub_model():
    with pytest.raises(DivergedError, match="round 1, group 0, sub-model 0, step"):
        _train(device="cuda", learning_rate=1e30, steps_per_round=2)


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("layer", "shape"), [(horn.Conv2D(2, 3), (4, 4, 1)), (horn.LSTM(3), (4, 2))]
)
def test_a_layer_without_kernels_is_told_before_data_are_read(layer, shape):
    layers = [layer, horn.Flatten(), horn.Dense(2)] if len(shape) == 3 else [layer, horn.Dense(2)]
    name = type(layer).__name__
    with pytest.raises(ValueError, match=f"{name} has no CUDA kernels yet; use device='cpu'"):
        horn.train(horn.Network(layers, shape), "no/such/data.zarr", device="cuda")


@pytest.mark.skipif(not device("cuda").state().missing, reason="there is a GPU")
def test_that_there_is_no_gpu_is_told_before_data_are_read():
    with pytest.raises(
        ValueError, match=r"device='cuda': this process cannot use it \(.*device='cpu'"
    ):
        horn.train(NETWORK, "no/such/data.zarr", device="cuda")


def test_a_precision_that_the_cpu_has_not_is_told_before_data_are_read():
    with pytest.raises(ValueError, match="precision='tf32': device 'cpu' knows 'float32' only"):
        horn.train(NETWORK, "no/such/data.zarr", precision="tf32")
