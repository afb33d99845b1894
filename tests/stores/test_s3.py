"""Training from S3, with a checkpoint there, and what S3 refuses."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import dask_horn as horn

pytestmark = [
    pytest.mark.stores,
    # zarr leaves the sessions of its file systems to the end of the process.
    pytest.mark.filterwarnings("ignore:Unclosed c:ResourceWarning"),
]

SETTINGS = {"n_groups": 2, "n_submodels": 2, "n_rounds": 4, "steps_per_round": 5}
SETTINGS["checkpoint_every"] = 1


class _StopAfter(horn.Callback):
    def __init__(self, rounds):
        self.rounds = rounds

    def on_round_end(self, record):
        if record.round == self.rounds:
            raise StopIteration


@pytest.fixture
def here(network, folder):
    return horn.train(network, folder / "samples.zarr", **SETTINGS).model.parameters


@pytest.fixture
def stored(s3, samples):
    horn.write_samples(f"{s3}/samples.zarr", *samples, chunk_bytes=1024)
    return f"{s3}/samples.zarr"


def _resume(network, stored, s3):
    settings = {**SETTINGS, "checkpoint": f"{s3}/run"}
    stopped = horn.train(network, stored, callbacks=[_StopAfter(2)], **settings)
    assert len(stopped.history) == 2
    return horn.train(network, stored, **settings)


def test_a_run_in_s3_resumes_to_the_same_bits(network, stored, s3, here):
    assert np.array_equal(_resume(network, stored, s3).model.parameters, here)


@pytest.mark.cluster
def test_a_run_on_workers_in_s3_resumes_to_the_same_bits(network, stored, s3, here):
    import s3fs
    from distributed import Client, LocalCluster

    cluster = LocalCluster(2, threads_per_worker=1, dashboard_address=":0", silence_logs=50)
    with cluster, Client(cluster):
        result = _resume(network, stored, s3)
        result.model.save(f"{s3}/model.zarr")
        result.model.predict(stored, out=f"{s3}/out.zarr")
    assert np.array_equal(result.model.parameters, here)
    assert np.array_equal(horn.load(f"{s3}/model.zarr").parameters, here)
    # Those before the last two are removed, though the workers wrote them.
    rounds = s3fs.S3FileSystem(use_listings_cache=False).ls("bucket/run/rounds")
    assert [place.rpartition("/")[2][:5] for place in rounds] == ["00003", "00004"]


def test_a_bucket_that_does_not_exist_is_not_made(network, stored, s3, folder, samples):
    import s3fs

    words = r"cannot be written \(there is no such folder or bucket\); create it first"
    with pytest.raises(horn.StoreError, match=f"^checkpoint='s3://mistyped/run' {words}"):
        horn.train(network, stored, checkpoint="s3://mistyped/run", **SETTINGS)
    with pytest.raises(horn.StoreError, match=f"^s3://mistyped/model.zarr {words}"):
        horn.train(network, stored, **SETTINGS).model.save("s3://mistyped/model.zarr")
    with pytest.raises(horn.StoreError, match=f"^s3://mistyped/samples.zarr {words}"):
        horn.write_samples("s3://mistyped/samples.zarr", *samples)
    with pytest.raises(FileNotFoundError, match="no Zarr group at s3://mistyped"):
        horn.open_samples("s3://mistyped/samples.zarr")
    assert not s3fs.S3FileSystem(use_listings_cache=False).exists("mistyped")


@pytest.mark.usefixtures("forbidden")
def test_a_key_that_may_not(network, s3, folder):
    with pytest.raises(
        horn.StoreError, match=r"samples at s3://.* be read \(403 Forbidden\); grant"
    ):
        horn.train(network, f"{s3}/samples.zarr", **SETTINGS)
    words = r"checkpoint='s3://bucket/run' cannot be written \(403 Forbidden\); grant this process"
    with pytest.raises(horn.StoreError, match=words):
        horn.train(network, folder / "samples.zarr", checkpoint=f"{s3}/run", **SETTINGS)


def test_no_credentials(network, stored, s3, folder, monkeypatch):
    from s3fs import S3FileSystem

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
    S3FileSystem.clear_instance_cache()
    words = r"\(no credentials\); give this process and all workers credentials for it"
    with pytest.raises(horn.StoreError, match=f"The samples at {stored} cannot be read {words}"):
        horn.train(network, stored, **SETTINGS)
    with pytest.raises(horn.StoreError, match=f"checkpoint='{s3}/run' cannot be written {words}"):
        horn.train(network, folder / "samples.zarr", checkpoint=f"{s3}/run", **SETTINGS)


def test_the_command_ends_without_a_word_of_the_libraries(stored, s3):
    command = [sys.executable, "-m", "dask_horn", "train", stored, "--out", f"{s3}/model.zarr"]
    command += ["--rounds", "1", "--hidden", "8", "--workers", "0", "--checkpoint", f"{s3}/command"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"Saved {s3}/model.zarr\n"
    *_, last = said = ended.stderr.splitlines()
    assert last.startswith("1 round in ")
    assert len(said) == 7, ended.stderr  # data, network, three steps of the set-up, round, end
