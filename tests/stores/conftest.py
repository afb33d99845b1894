"""Samples, an S3 server and an HTTP server, each of the tests' own."""

from __future__ import annotations

import logging
import urllib.request

import numpy as np
import pytest

import dask_horn as horn
from dask_horn.data.store import retrying
from tests.stores.web import Web


@pytest.fixture(scope="session")
def samples():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(200, 8)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0)


@pytest.fixture
def network():
    return horn.Network([horn.Dense(8, activation="relu"), horn.Dense(3)], input_shape=8)


@pytest.fixture
def folder(tmp_path, samples):
    """A folder with samples in chunks of 32 rows."""
    horn.write_samples(tmp_path / "samples.zarr", *samples, chunk_bytes=1024)
    return tmp_path


@pytest.fixture
def web(folder):
    pytest.importorskip("aiohttp")
    server = Web(folder)
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Short pauses, and a process that has told nothing yet."""
    monkeypatch.setattr(retrying, "PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr(retrying, "_told", set())


@pytest.fixture(scope="session")
def s3_server():
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    logging.getLogger("werkzeug").disabled = True
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """A new bucket in an S3 server; the URL of the server is in the environment."""
    from s3fs import S3FileSystem

    said = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    _ask(f"{s3_server}/moto-api/reset", "POST")
    _ask(f"{s3_server}/bucket", "PUT")
    S3FileSystem.clear_instance_cache()  # they have read the environment
    yield "s3://bucket"
    S3FileSystem.clear_instance_cache()


def _ask(url, method, data=b""):
    plain = {"Content-Type": "text/plain"}
    request = urllib.request.Request(url, data=data, headers=plain, method=method)
    urllib.request.urlopen(request).close()


@pytest.fixture
def forbidden(s3, s3_server):
    """Makes the S3 server refuse everything."""
    _ask(f"{s3_server}/moto-api/reset-auth", "POST", b"0")
    yield
    _ask(f"{s3_server}/moto-api/reset-auth", "POST", b"inf")
