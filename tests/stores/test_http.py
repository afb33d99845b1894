"""Training from an HTTP server, which fails now and then, or for good."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import dask_horn as horn
from tests.stores.web import CUT

pytestmark = [
    pytest.mark.stores,
    # zarr leaves the sessions of its file systems to the end of the process.
    pytest.mark.filterwarnings("ignore:Unclosed c:ResourceWarning"),
]

SETTINGS = {"n_groups": 2, "n_submodels": 2, "n_rounds": 2, "steps_per_round": 5}
CHUNK = "/samples.zarr/X/c/2/0"


@pytest.fixture
def here(network, folder):
    """What training from the same samples on disk gives."""
    return horn.train(network, folder / "samples.zarr", **SETTINGS).model.parameters


def _train(network, web, **settings):
    return horn.train(network, f"{web.url}/samples.zarr", **{**SETTINGS, **settings})


def _warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "dask_horn"]


def test_training_from_the_web_gives_the_bits_of_training_from_a_disk(network, web, here, caplog):
    web.pause = 0.02
    assert np.array_equal(_train(network, web).model.parameters, here)
    assert _warnings(caplog) == []


@pytest.mark.parametrize("faults", [[503], [CUT], [500, CUT, 429]], ids=str)
def test_a_chunk_that_fails_and_then_comes_is_told_once(network, web, here, caplog, faults):
    web.faults = {CHUNK: list(faults), "/samples.zarr/X/c/4/0": [503]}
    assert np.array_equal(_train(network, web).model.parameters, here)
    (told,) = _warnings(caplog)
    assert f"array X in {web.url}/samples.zarr could not be read at rows" in told
    assert "trying again" in told


def test_a_chunk_that_never_comes_is_named_with_how_often_it_was_tried(network, web):
    web.always = {CHUNK: 503}
    with pytest.raises(horn.ChunkReadError) as caught:
        _train(network, web)
    assert f"The array X in {web.url}/samples.zarr cannot be read at chunk c/2/0" in str(
        caught.value
    )
    assert "rows 64 to 95 (503 Service Unavailable; tried 4 times)" in str(caught.value)
    assert web.asked[CHUNK] == 5  # once more, to find which chunk it was


def test_a_chunk_that_is_refused_is_not_asked_for_again(network, web):
    web.always = {CHUNK: 403}
    with pytest.raises(
        horn.ChunkReadError, match=r"c/2/0, .* \(403 Forbidden\); grant this process"
    ):
        _train(network, web)
    assert web.asked[CHUNK] == 2


def test_a_description_that_fails_once(network, web, here, folder, monkeypatch):
    from dask_horn.data.store.locations import ArrayLocation
    from dask_horn.data.store.reading import open_rows

    web.faults = {"/X/zarr.json": [503]}
    assert open_rows(ArrayLocation(f"{web.url}/samples.zarr", "X")).shape == (200, 8)


@pytest.mark.cluster
def test_what_a_worker_is_refused_reaches_the_client(network, web, client):
    web.always = {CHUNK: 403}
    with pytest.raises(horn.ChunkReadError, match=r"chunk c/2/0, .* \(403 Forbidden\); grant"):
        _train(network, web)


def test_samples_that_are_refused(network, web, folder):
    web.always = {"": 403}
    words = r"The samples at http://.*/samples\.zarr cannot be read \(403 Forbidden\); grant this"
    with pytest.raises(horn.StoreError, match=words) as caught:
        _train(network, web)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    with pytest.raises(horn.StoreError, match=words):
        horn.train(
            network,
            folder / "samples.zarr",
            validation_data=f"{web.url}/samples.zarr",
            **SETTINGS,
        )


def test_a_web_that_is_not_there(network):
    with pytest.raises(
        horn.StoreError,
        match=r"cannot be read .* check that this process and all workers can reach it",
    ):
        horn.train(network, "http://127.0.0.1:9/samples.zarr", **SETTINGS)


def test_a_checkpoint_on_the_web_is_refused_before_any_sample_is_read(network, web):
    words = r"checkpoint='http://.*/run' cannot be written \(501 .*\); choose a place that can be"
    with pytest.raises(horn.StoreError, match=words):
        _train(network, web, checkpoint=f"{web.url}/run")
    assert not any("/X/c/" in path for path in web.asked)


def test_models_samples_and_predictions_are_not_written_to_the_web(network, web, folder, samples):
    model = horn.train(network, folder / "samples.zarr", **SETTINGS).model
    with pytest.raises(horn.StoreError, match=r"^http://.*/model\.zarr cannot be written \(501"):
        model.save(f"{web.url}/model.zarr")
    with pytest.raises(horn.StoreError, match=r"^out='http://.*/out\.zarr' cannot be written"):
        model.predict(folder / "samples.zarr", out=f"{web.url}/out.zarr")
    with pytest.raises(horn.StoreError, match=r"^http://.*/copy\.zarr cannot be written \(501"):
        horn.write_samples(f"{web.url}/copy.zarr", *samples)


def test_a_model_that_fails_to_come_is_not_called_damaged(network, web, folder):
    model = horn.train(network, folder / "samples.zarr", **SETTINGS).model
    model.save(folder / "model.zarr")
    assert np.array_equal(horn.load(f"{web.url}/model.zarr").parameters, model.parameters)
    web.always = {"/c/0/0": 503}
    with pytest.raises(horn.StoreError, match=r"The model at .* cannot be read \(503 Service"):
        horn.load(f"{web.url}/model.zarr")


def test_the_command_says_it_in_one_line(web, folder):
    from tests.cli.commands import QUICK, run

    result = run("train", folder / "samples.zarr", "--out", f"{web.url}/model.zarr", *QUICK)
    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1
    assert f"Error: {web.url}/model.zarr cannot be written (501 Not Implemented)" in result.output
