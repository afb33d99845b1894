"""What a store refuses is told in one sentence, which travels."""

from __future__ import annotations

import errno
import os
import pickle

import fsspec
import numpy as np
import pytest

import dask_horn as horn
from dask_horn.data.store import retrying
from dask_horn.data.store.storing import (
    check_writable,
    filesystem_at,
    make_folder,
    replacing,
    store_errors,
    store_with_retries,
)
from dask_horn.errors import ChunkReadError, ScratchError, StoreError


class _Foreign(Exception):
    """As aiohttp's: it does not travel."""

    status = 403

    def __reduce__(self):
        raise TypeError("cannot be pickled")


def test_the_argument_the_place_what_came_and_what_would_do():
    with pytest.raises(StoreError) as caught, store_errors("checkpoint", "s3://bucket/run"):
        raise _Foreign
    assert str(caught.value) == (
        "checkpoint='s3://bucket/run' cannot be written (403 Forbidden); grant this process and "
        "all workers permission to write there"
    )


class _Expired(Exception):
    """As botocore's."""

    response = {"Error": {"Code": "ExpiredToken"}, "ResponseMetadata": {"HTTPStatusCode": 400}}


def test_credentials_that_have_expired():
    with pytest.raises(StoreError) as caught, store_errors("The samples at", "s3://b/x", "read"):
        raise PermissionError("The provided token has expired.") from _Expired()
    assert str(caught.value) == (
        "The samples at s3://b/x cannot be read (the credentials have expired); renew those of "
        "this process and all workers"
    )


def test_no_error_of_another_library_is_left_in_the_chain():
    with pytest.raises(StoreError) as caught, store_errors("out", "/data"):
        raise _Foreign("words")
    error = caught.value
    assert error.__context__ is None
    assert type(error.__cause__) is RuntimeError
    assert "_Foreign: words" in str(error.__cause__)
    assert error.__cause__.__traceback__ is not None
    assert str(pickle.loads(pickle.dumps((error, error.__cause__)))[0]) == str(error)


def test_what_passes_as_it_is():
    for error in (ChunkReadError("c"), FileExistsError("there"), ValueError("v"), KeyError("k")):
        with pytest.raises(type(error)) as caught, store_errors("out", "/data"):
            raise error
        assert caught.value is error
    with pytest.raises(FileNotFoundError), store_errors("The samples at", "/data", "read"):
        raise FileNotFoundError("no group")


def test_what_is_no_refusal_passes_after_another_try_too(monkeypatch):
    monkeypatch.setattr(retrying, "PAUSES", (0.001,))
    monkeypatch.setattr(retrying, "_told", set())
    raised = [KeyError("first"), KeyError("second")]

    def fails():
        raise raised.pop(0)

    with pytest.raises(KeyError, match="second") as caught:
        store_with_retries(fails, "out", "/data")
    link = caught.value
    for _ in range(9):  # no circle, which whoever follows the chain would never leave
        link = link and (link.__cause__ or link.__context__)
    assert link is None


def test_a_scratch_folder_has_an_error_of_its_own():
    with pytest.raises(ScratchError) as caught, store_errors("scratch", "/data"):
        raise OSError(errno.ENOSPC, "x")
    assert str(caught.value).startswith("scratch='/data' cannot be written (No space left")


def test_whoever_waits_for_an_os_error_gets_one():
    assert issubclass(horn.StoreError, horn.HornError)
    assert issubclass(horn.StoreError, OSError)


def test_a_probe_leaves_nothing(tmp_path):
    for place in (f"{tmp_path}/new/model.zarr", str(tmp_path), f"file://{tmp_path}/new/model.zarr"):
        check_writable(place)
    (tmp_path / "file").write_text("text")
    check_writable(str(tmp_path / "file"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "text"
    check_writable("memory://probe/model.zarr")
    assert fsspec.filesystem("memory").find("/probe") == []


def test_a_probe_below_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        check_writable(str(tmp_path / "file" / "model.zarr"))


def test_what_others_write_is_seen(tmp_path):
    filesystem, path = filesystem_at(str(tmp_path))
    make_folder(filesystem, f"{path}/a/b")
    assert [os.path.basename(name) for name in filesystem.ls(path, False)] == ["a"]
    os.mkdir(tmp_path / "c")
    assert len(filesystem.ls(path, False)) == 2


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """So that a loss of power leaves the old or the new, and no empty file."""
    done = []

    def noting(name, step):
        monkeypatch.setattr(os, name, lambda *given: (done.append(name), step(*given)))

    noting("fsync", os.fsync)
    noting("replace", os.replace)
    with replacing(f"{tmp_path}/latest.json") as file:
        file.write(b"content")
    assert (tmp_path / "latest.json").read_bytes() == b"content"
    assert done[:2] == ["fsync", "replace"]


def test_a_checkpoint_is_refused_before_the_samples_are_looked_at(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    network = horn.Network([horn.Dense(2)], input_shape=2)
    X = np.full((4, 2), np.nan)  # which the survey would tell first
    with pytest.raises(StoreError, match=r"checkpoint='.*' cannot be written \(Not a directory"):
        horn.train(network, X, [0, 1, 0, 1], checkpoint=tmp_path / "file" / "run")
