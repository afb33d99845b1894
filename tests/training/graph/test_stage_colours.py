"""Stages have colours of their own on Dask's pages, the same ones in every run."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from dask.utils import key_split
from distributed.utils import color_of
from matplotlib.colors import to_rgb

import dask_horn as horn
from dask_horn.cluster.keys import in_words, stage_of
from dask_horn.training.graph.task_layers import TaskLayers

X, Y = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32), np.arange(200) % 2
NETWORK = horn.Network([horn.Dense(16, activation="relu"), horn.BatchNorm(), horn.Dense(2)], 8)

#: What a round does, by itself and with redrawn partitions: told apart at a glance.
ROUND = ("train", "send", "merge", "share", "update", "parent", "score", "record")
REDRAWN = ("take", "train", "put", "merge", "update", "score", "record")
#: What happens now and then.
SELDOM = ("initial-values", "options", "statistics", "save", "load-parent")
#: What shares a colour: with something short on a device that takes many at once, and before.
SHORT = {"gather": "take", "survey": "options"}


@pytest.fixture(scope="module")
def stages() -> set[str]:
    """The prefixes of all keys that runs of several kinds write."""
    keys: set[object] = set()
    call = TaskLayers.call

    def noted(self, function, key, *arguments, **options):
        keys.add(key)
        return call(self, function, key, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TaskLayers, "call", noted)
        for settings in ({"n_submodels": [4, 2]}, {"redraw": True}):
            graph = horn.training_graph(
                NETWORK, X, Y, n_groups=9, n_rounds=3, steps_per_round=1, **settings
            )
            keys.update(graph.dask)
    return {key_split(key) for key in keys}


def _lab(colour: str) -> np.ndarray:
    """Coordinates in CIELAB, by its definition for sRGB and the white of D65."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = to_xyz @ linear / (0.9505, 1.0, 1.089)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _distances(names) -> dict[tuple[str, str], float]:
    return {
        (a, b): float(np.linalg.norm(_lab(color_of(a)) - _lab(color_of(b))))
        for a, b in combinations(names, 2)
    }


def test_runs_have_the_stages_that_are_looked_at_here(stages):
    known = {*ROUND, *REDRAWN, *SELDOM, "final"} - {"score", "save", "load-parent"}
    assert stages == known


def test_stages_of_a_round_are_told_apart_at_a_glance():
    # Neighbours in Dask's palette are 8 to 17 apart; 2.3 can just be told from each other.
    assert min(_distances(ROUND).values()) > 20
    assert min(_distances(REDRAWN).values()) > 12


def test_no_two_stages_have_the_same_colour():
    colours = Counter(map(color_of, {*ROUND, *REDRAWN, *SELDOM}))
    assert max(colours.values()) == 1
    for one, other in SHORT.items():
        assert color_of(one) == color_of(other)  # else it needs no exception


@pytest.mark.parametrize("run", ["12345678", "abcdefab", "0badcafe", "9e105e10", "decade99-2"])
@pytest.mark.parametrize("stage", sorted({*ROUND, *REDRAWN, *SELDOM, *SHORT, "delta"}))
def test_a_stage_has_the_same_colour_in_every_run(stage, run):
    level = "-1" if stage == "merge" else ""
    key = (f"{stage}{level}-{run}", 0, 1, 2)
    assert key_split(key) == key_split(str(key)) == stage
    assert stage_of(key, run) == (stage + level, (0, 1, 2))
    assert "the task" not in in_words(key, run)


def test_what_is_no_rounds_is_called_so():
    assert in_words(("parent-0badcafe", "kept-3", 0), "0badcafe") == "the whole model"
    assert in_words("options-0badcafe", "0badcafe") == "the run's settings"
