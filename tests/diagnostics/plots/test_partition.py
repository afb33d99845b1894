"""The map of a partition shows each unit's holder, in any size and style."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot, style
from matplotlib.figure import Figure

from dask_horn import Dense, Network, Partition
from dask_horn.diagnostics.plots import plot_partition
from tests.diagnostics.rendered import assert_readable, figure


@pytest.fixture(autouse=True)
def no_window():
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


def _partition(n_units: int, n_submodels: int, concentration: float | None = 5) -> Partition:
    network = Network([Dense(n_units, activation="relu"), Dense(2)], input_shape=2)
    return Partition.draw(network, n_submodels, seed=0, concentration=concentration)


def _texts(axes) -> list[str]:
    axes.figure.draw_without_rendering()
    return [text.get_text() for text in axes.texts if text.get_text()]


@pytest.mark.parametrize("n_units", [8, 800, 4096])
@pytest.mark.parametrize("n_submodels", [1, 2, 8])
def test_each_unit_has_the_colour_of_its_holder(n_units, n_submodels):
    partition = _partition(n_units, n_submodels)
    axes = plot_partition(partition)
    (image,) = axes.images
    cells = np.asarray(image.get_array()).reshape(-1, 4)[:n_units]
    holder = partition.parts["dense_1"]
    for submodel in range(n_submodels):
        assert len(np.unique(cells[holder == submodel], axis=0)) == 1
    assert len(np.unique(cells, axis=0)) == n_submodels
    sizes = [int(text) for text in _texts(axes)]
    assert set(sizes) <= set(partition.sizes("dense_1").tolist())


def test_bars_are_as_long_as_the_shares():
    partition = _partition(100, 4)
    widths = [bar.get_width() for bar in plot_partition(partition).patches]
    np.testing.assert_allclose(widths, partition.sizes("dense_1") / 100)


def test_a_row_per_divided_axis_and_a_legend_of_sub_models():
    network = Network(
        [Dense(8, name="wide", activation="relu"), Dense(6, activation="relu"), Dense(2)],
        input_shape=2,
    )
    axes = Partition.draw(network, 3, seed=0).plot()
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "wide\n8 units", "dense_2\n6 units",
    ]  # fmt: skip
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["0", "1", "2"]


def test_many_sub_models_are_told_in_words():
    axes = _partition(640, 32, None).plot()
    assert axes.get_legend() is None
    assert "32 sub-models, one colour each" in _texts(axes)
    assert axes.get_yticklabels()[0].get_text() == "dense_1\n640 units\n20 to 20 each"


def test_given_axes_leave_pyplot_alone():
    axes = Figure().subplots()
    before = pyplot.get_fignums()
    assert plot_partition(_partition(8, 2), ax=axes) is axes
    assert pyplot.get_fignums() == before


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("panels", [1, 2])
@pytest.mark.parametrize("n_submodels", [1, 2, 16, 64])
def test_texts_can_be_read(n_submodels, panels, width, dark):
    with style.context("dark_background" if dark else "default"):
        drawn = figure(width)
        for axes in np.ravel(drawn.subplots(1, panels)):
            _partition(320, n_submodels).plot(ax=axes)
        assert_readable(drawn)


def test_gaps_have_the_colour_of_the_background():
    with style.context("dark_background"):
        gaps = _partition(100, 2).plot(ax=figure(400).subplots()).collections
        assert all(np.allclose(gap.get_edgecolor()[0][:3], 0) for gap in gaps)
