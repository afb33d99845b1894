"""A location means the same array in every process."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.storage import LocalStore, MemoryStore

from dask_horn.data.store.locations import (
    ArrayLocation,
    Url,
    extended,
    joined,
    plain_location,
    without_secrets,
)


def test_relative_path_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert plain_location("a.zarr") == str(tmp_path / "a.zarr")
    assert plain_location(LocalStore("a.zarr")) == str(tmp_path / "a.zarr")


def test_open_array_is_found_again_after_pickling(tmp_path):
    array = zarr.create_array(store=str(tmp_path / "a.zarr"), name="X", data=np.eye(3))
    location = pickle.loads(pickle.dumps(ArrayLocation.of(array)))
    assert location.store == str(tmp_path / "a.zarr")
    np.testing.assert_array_equal(location.open()[:], np.eye(3))


def test_only_stores_in_memory_are_bound_to_the_process():
    assert ArrayLocation(MemoryStore(), "X").in_process
    assert ArrayLocation("memory://a.zarr", "X").in_process
    assert not ArrayLocation("/data/a.zarr", "X").in_process


def test_what_is_no_location():
    with pytest.raises(TypeError, match="location is a int; pass the path or URL"):
        plain_location(3)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("~/a.zarr", "{home}/a.zarr"),
        (Path("~") / "a.zarr", "{home}/a.zarr"),
        ("file:///data/a%20b.zarr", "/data/a b.zarr"),
        ("file:/data/a.zarr", "/data/a.zarr"),
        ("FILE://localhost/data/a.zarr", "/data/a.zarr"),
        ("file://a.zarr", "{here}/a.zarr"),
        ("local:///data/a.zarr", "/data/a.zarr"),
        ("run::1.zarr", "{here}/run::1.zarr"),
        ("C:\\data\\a.zarr", "{here}/C:\\data\\a.zarr"),
        ("c://data", "{here}/c:/data"),
        ("S3://bucket/a.zarr/", "s3://bucket/a.zarr"),
        ("memory://", "memory://"),
        ("zip::~/a.zip", "zip::{home}/a.zip"),
        ("zip://in/it::a.zip", "zip://in/it::{here}/a.zip"),
        ("simplecache::S3://bucket/a.zarr", "simplecache::s3://bucket/a.zarr"),
    ],
)
def test_every_spelling_is_understood(given, path, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.chdir(tmp_path)
    assert plain_location(given) == path.format(home="/home/me", here=os.getcwd())
    assert plain_location(plain_location(given)) == plain_location(given)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("~nobody-at-all/a.zarr", "in no home folder that this machine knows; write ./~nobody"),
        ("", "is empty"),
        (Path("s3://bucket/a.zarr"), "pass the text s3://bucket/a.zarr"),
        ("nope://a.zarr", "begins with nope:, a protocol that fsspec does not know"),
    ],
)
def test_what_names_nothing_is_told(given, told):
    with pytest.raises(ValueError, match=told):
        plain_location(given)


def test_a_name_may_begin_with_a_tilde_where_it_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~a.zarr").mkdir()
    assert plain_location("~a.zarr") == f"{tmp_path}/~a.zarr"


def test_a_url_keeps_its_secrets_and_shows_none():
    url = plain_location("https://me:pw@host/a.zarr?token=t", {"key": "k", "s3": {"key": "x"}})
    assert isinstance(url, Url) and url == "https://me:pw@host/a.zarr?token=t"
    assert url.options == {"key": "k"}
    for shown in (str(url), repr(url), f"{url}", f"{url!r}", f"{ArrayLocation(url, 'X')!r}"):
        assert "pw" not in shown and "token" not in shown and "'k'" not in shown
    again = pickle.loads(pickle.dumps(url))
    assert (again.text, again.options) == (url.text, url.options)
    inner = joined(Url("s3://bucket/a", {"key": "k"}), "rounds", "1")
    assert extended(inner, "-x") == "s3://bucket/a/rounds/1-x"
    assert extended(inner, "-x").options == {"key": "k"}
    assert without_secrets("abfs://container@account/a") == "abfs://container@account/a"


@pytest.mark.parametrize("options", ["anon", [("anon", True)], {1: True}])
def test_options_are_a_mapping(options):
    with pytest.raises(TypeError, match="storage_options must be a mapping from the names"):
        plain_location("s3://bucket/a.zarr", options)
