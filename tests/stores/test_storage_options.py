"""Credentials that are passed: they reach the workers, and no record."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

import dask_horn as horn
from dask_horn.cli import main

pytestmark = [
    pytest.mark.stores,
    # zarr leaves the sessions of its file systems to the end of the process.
    pytest.mark.filterwarnings("ignore:Unclosed c:ResourceWarning"),
]

SECRET = "told-to-nobody"
SETTINGS = {"n_groups": 2, "n_submodels": 2, "n_rounds": 3, "steps_per_round": 5}
SETTINGS["checkpoint_every"] = 1


@pytest.fixture
def options(s3, s3_server, monkeypatch):
    """What the environment knows no more."""
    from s3fs import S3FileSystem

    names = ("ENDPOINT_URL", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
    for name in names:
        monkeypatch.delenv(f"AWS_{name}")
    S3FileSystem.clear_instance_cache()
    return {"key": "me", "secret": SECRET, "endpoint_url": s3_server}


class _Heard(horn.Callback):
    def __init__(self):
        self.told = []

    def on_event(self, event):
        self.told.append(repr(event))


def test_options_serve_every_place_of_a_run(network, s3, options, samples, folder, caplog):
    here = horn.train(network, folder / "samples.zarr", **SETTINGS).model
    given, heard = {"storage_options": options}, _Heard()
    horn.write_samples(f"{s3}/samples.zarr", *samples, chunk_bytes=1024, **given)
    assert horn.open_samples(f"{s3}/samples.zarr", **given).n_samples == 200
    with caplog.at_level(logging.DEBUG, "dask_horn"):
        result = horn.train(
            network,
            f"{s3}/samples.zarr",
            validation_data=f"{s3}/samples.zarr",
            checkpoint=f"{s3}/run",
            scratch=f"{s3}/scratch",
            callbacks=[heard],
            **given,
            **SETTINGS,
        )
    assert np.array_equal(result.model.parameters, here.parameters)
    result.model.save(f"{s3}/model.zarr", **given)
    model = horn.load(f"{s3}/model.zarr", **given)
    model.predict(f"{s3}/samples.zarr", out=f"{s3}/out.zarr", **given)
    assert model.score(f"{s3}/samples.zarr", **given) == here.score(*samples)
    assert SECRET not in caplog.text + "".join(heard.told)
    with pytest.raises(horn.StoreError):
        horn.load(f"{s3}/model.zarr")


@pytest.mark.cluster
def test_options_reach_the_workers(network, s3, options, samples, folder):
    from distributed import Client, LocalCluster

    here = horn.train(network, *samples, **SETTINGS).model
    given = {"storage_options": options, **SETTINGS}
    cluster = LocalCluster(2, threads_per_worker=1, dashboard_address=":0", silence_logs=50)
    with cluster, Client(cluster):
        copied = horn.train(network, *samples, scratch=f"{s3}/scratch", **given)
        kept = horn.train(network, *samples, checkpoint=f"{s3}/run", **given)
    assert np.array_equal(copied.model.parameters, here.parameters)
    assert np.array_equal(kept.model.parameters, here.parameters)


def test_nothing_written_holds_the_secret(network, s3, options, samples):
    import s3fs

    horn.train(network, *samples, checkpoint=f"{s3}/run", storage_options=options, **SETTINGS)
    filesystem = s3fs.S3FileSystem(**options)
    written = {place: filesystem.cat_file(place) for place in filesystem.find("bucket")}
    assert written
    assert not [place for place, content in written.items() if SECRET.encode() in content]


def test_an_estimator_takes_options_when_it_fits(s3, options, samples):
    estimator = horn.HornClassifier(
        hidden_layer_sizes=(8,), n_rounds=2, random_state=0, checkpoint=f"{s3}/run"
    )
    estimator.fit(*samples, storage_options=options)
    assert SECRET not in repr(estimator) + repr(vars(estimator))
    estimator.predict(samples[0], out=f"{s3}/out.zarr", storage_options=options)


def test_the_command_line_takes_options(s3, options, samples, tmp_path, capsys):
    horn.write_samples(f"{s3}/samples.zarr", *samples, storage_options=options)
    (tmp_path / "options.json").write_text(json.dumps({"secret": SECRET, "key": "me"}))
    given = ["--storage-option", f"@{tmp_path}/options.json"]
    given += ["--storage-option", f"endpoint_url={options['endpoint_url']}"]
    small = ["--workers", "0", "--rounds", "2", "--hidden", "8"]
    data, model, out = (f"{s3}/{name}.zarr" for name in ("samples", "model", "out"))
    for command in (
        ["train", data, "--out", model, *small],
        ["predict", model, data, "--out", out],
        ["predict", model, data, "--out", out, "--overwrite"],
        ["evaluate", model, data],
        ["info", model],
    ):
        with pytest.raises(SystemExit) as end:
            main([*command, *given])
        assert end.value.code == 0
    assert SECRET not in "".join(capsys.readouterr())


def test_options_of_other_stores_are_left_out(s3, options, samples, tmp_path):
    """One mapping serves a call whose places are of several kinds."""
    each = {"s3": options, "https": {"client_kwargs": {}}}
    horn.write_samples(f"{s3}/samples.zarr", *samples, storage_options=each)
    assert horn.open_samples(f"{s3}/samples.zarr", each).n_samples == 200
    horn.write_samples(tmp_path / "samples.zarr", *samples, storage_options=each)
    assert horn.open_samples(tmp_path / "samples.zarr", each).n_samples == 200
