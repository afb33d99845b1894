"""The first thing that a newcomer runs."""

from __future__ import annotations

import numpy as np
import zarr

import dask_horn as horn
from tests.cli.commands import done


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
