"""The first thing that a newcomer runs."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

import dask_horn as horn
from tests.cli.commands import done, run


def test_demo_reaches_its_accuracy(tmp_path):
    words = done("demo", "--folder", tmp_path / "demo", "--workers", 0).output
    shown = [
        float(line.split()[-4].rstrip("%")) for line in words.splitlines() if " of 360)" in line
    ]
    assert len(shown) == 2 and min(shown) >= 97
    assert "random_state=0" in words
    picture = (tmp_path / "demo" / "learning-curves.png").read_bytes()
    assert picture.startswith(b"\x89PNG")

    test = str(tmp_path / "demo" / "test.zarr")
    predicted = np.asarray(horn.load(str(tmp_path / "demo" / "model.zarr")).predict(test))
    accuracy = np.mean(predicted == zarr.open_group(test, mode="r")["y"][...])
    assert shown[0] == round(100 * accuracy, 2)


@pytest.mark.parametrize("name", ["train.zarr", "thesis.txt"])
def test_a_demo_replaces_nothing_of_others(tmp_path, name):
    (tmp_path / name).mkdir()
    result = run("demo", "--folder", tmp_path, "--workers", 0)
    assert result.exit_code == 2
    assert "holds files that are no demo's; choose another folder" in result.output
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
