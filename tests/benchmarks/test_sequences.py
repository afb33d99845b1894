"""Japanese vowels are read as they are published, and the section tells what was measured."""

from __future__ import annotations

import numpy as np

from benchmarks.datasets import japanese_vowels
from benchmarks.sequences import DIVISIONS, render


def test_cases_are_padded_behind_their_last_step(tmp_path):
    folder = tmp_path / "japanese_vowels"
    folder.mkdir()
    channels = [[f"{10 * channel + step}.5" for step in range(7)] for channel in range(12)]
    case = ":".join(",".join(channel) for channel in channels)
    text = f"#Paper\n@problemName JapaneseVowels\n@data\n{case}:3\n{case}:9\n"
    (folder / "JapaneseVowels_TEST.ts").write_text(text)
    X, y = japanese_vowels(tmp_path, "TEST", mask_value=-1)
    assert (X.shape, X.dtype, y.tolist()) == ((2, 29, 12), np.float32, ["3", "9"])
    np.testing.assert_array_equal(X[0, :7], np.arange(7)[:, None] + 10 * np.arange(12) + 0.5)
    assert (X[:, 7:] == -1).all()


def test_goals_are_those_of_the_mean(tmp_path):
    values = ([97.5, 97.1], [96.9, 97.0], [97.0, 97.0])
    text = render({"accuracy": dict(zip(DIVISIONS, values, strict=True))}, tmp_path)
    assert "| undivided | 97.30 ± 0.28 | 97.10 – 97.50 | met |" in text
    assert text.count("| met |") == 2
    assert text.count("| missed |") == 1
