"""Several runs at once in one process, and runs within tasks: each as it would be alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster, get_client, worker_client

import dask_horn as horn

X = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
Y = X[:, 0] > 0


def _parameters(width, lazy=False):
    X_, y = (da.from_array(X, chunks=(50, 4)), da.from_array(Y, chunks=50)) if lazy else (X, Y)
    settings = {"hidden_layer_sizes": (width,), "n_groups": 2, "n_rounds": 3}
    return horn.HornClassifier(random_state=0, **settings).fit(X_, y).model_.parameters


@pytest.mark.parametrize("lazy", [False, True], ids=["arrays", "dask arrays"])
def test_fits_in_threads(on_threads_and_cluster, lazy):
    widths = [8, 9, 10, 8]
    with ThreadPoolExecutor(len(widths)) as pool:
        found = list(pool.map(_parameters, widths, [lazy] * len(widths)))
    for width, parameters in zip(widths, found, strict=True):
        np.testing.assert_array_equal(parameters, _parameters(width, lazy))


def _with_the_workers_client(lazy):
    with worker_client():
        return _parameters(8, lazy)


def _beside_a_client(lazy):
    get_client()
    return _parameters(8, lazy)


def _alone(lazy):
    return _parameters(8, lazy)


@pytest.mark.parametrize("lazy", [False, True], ids=["arrays", "dask arrays"])
@pytest.mark.parametrize("fit", [_alone, _with_the_workers_client, _beside_a_client])
def test_fits_within_tasks_of_a_worker_with_one_thread(client, fit, lazy):
    found = client.submit(fit, lazy, pure=False).result(timeout=120)
    np.testing.assert_array_equal(found, _parameters(8, lazy))


@pytest.mark.cluster
def test_a_cluster_that_adapts_from_no_workers():
    """One that has let its last worker go starts one for a call that is made later, too."""
    X_, y = da.from_array(X, chunks=(50, 4)), da.from_array(Y, chunks=50)
    with (
        LocalCluster(
            n_workers=0, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        Client(cluster),
    ):
        cluster.adapt(minimum=0, maximum=1, interval="50ms", wait_count=1)
        classifier = horn.HornClassifier(hidden_layer_sizes=(8,), n_rounds=2, random_state=0)
        classifier.fit(X, Y).partial_fit(X_, y)
        assert classifier.score(X_, y) == classifier.score(X, Y)
