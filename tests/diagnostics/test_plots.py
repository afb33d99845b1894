"""Figures show what they are given, and leave pyplot's state alone where axes are given."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from dask_horn import Dense, Network, Partition
from dask_horn.diagnostics import plot_history, plot_partition
from dask_horn.records import History
from tests.diagnostics.records import history, record


@pytest.fixture(autouse=True)
def no_window():
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


def _texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_curves_are_the_records():
    axes = plot_history(history(5))
    training, validation = axes.get_lines()[:2]
    np.testing.assert_allclose(training.get_ydata(), history(5).column("loss"))
    np.testing.assert_allclose(validation.get_ydata(), history(5).column("validation_loss"))
    losses, scores = axes.figure.axes
    assert losses.get_ylabel() == "loss"
    assert scores.get_xlabel() == "round"
    np.testing.assert_allclose(
        scores.get_lines()[0].get_ydata(), history(5).column("validation_score")
    )
    assert scores.get_ylabel() == "validation score\nbest 0.9000"


def test_without_validation_there_is_one_pair_of_axes_and_one_curve():
    axes = plot_history(history(5, scored=False))
    assert axes.figure.axes == [axes]
    assert [line.get_label() for line in axes.get_lines()] == ["training"]


def test_given_axes_are_drawn_on_and_pyplot_is_left_alone():
    before = pyplot.get_fignums()
    pair = Figure().subplots(2, 1)
    assert plot_history(history(3), pair) is pair[0]
    assert pair[1].get_lines()
    single = Figure().subplots()
    assert history(3).plot(single) is single
    assert [axes.get_ylabel()[:10] for axes in single.figure.axes] == ["loss", "validation"]
    assert pyplot.get_fignums() == before


def test_losses_that_span_decades_are_logarithmic():
    steep = History([record(1, loss=1.0), record(2, loss=1e-4)])
    assert plot_history(steep).get_yscale() == "log"
    assert plot_history(history(3)).get_yscale() == "linear"


def test_divisions_are_marked():
    assert _texts(plot_history(history(8, last_divided=1))) == ["2 groups × 2 sub-models", "2 × 1"]
    assert _texts(plot_history(history(1))) == ["2 groups × 2 sub-models"]
    assert _texts(plot_history(History([record(1, n_groups=1, n_submodels=1)]))) == [
        "1 group, undivided"
    ]


def _ending(divided: int, each: int) -> History:
    """Rounds of eight sub-models, then of four, two and one, in as many groups more."""
    numbers = [8] * divided + [number for number in (4, 2, 1) for _ in range(each)]
    return History(
        [record(i, n_groups=8 // k, n_submodels=k) for i, k in enumerate(numbers, start=1)]
    )


def test_groups_that_become_more_are_marked():
    axes = plot_history(_ending(6, 2))
    assert _texts(axes) == ["1 group × 8 sub-models", "2 × 4", "4 × 2", "8 × 1"]
    lines = [line.get_xdata()[0] for line in axes.get_lines() if line.get_linestyle() == ":"]
    assert lines == [6.5, 8.5, 10.5]


def test_a_short_ending_has_room_for_its_last_division_only():
    axes = plot_history(_ending(27, 1))
    assert _texts(axes) == ["1 group × 8 sub-models", "8 × 1"]


@pytest.mark.parametrize(("divided", "each"), [(6, 2), (18, 4), (24, 2), (27, 1), (3, 1), (60, 20)])
def test_words_above_the_curves_never_overlap(divided, each):
    axes = plot_history(_ending(divided, each))
    axes.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_rounds_are_whole_numbers_on_the_axis():
    axes = plot_history(history(1))
    assert [tick for tick in axes.get_xticks() if 0.5 <= tick <= 1.5] == [1]


def test_no_rounds_are_refused():
    with pytest.raises(ValueError, match="no rounds"):
        plot_history(History())


@pytest.mark.parametrize("n_units", [8, 800, 4096])
@pytest.mark.parametrize("n_submodels", [1, 2, 8])
def test_each_unit_has_the_colour_of_its_holder(n_units, n_submodels):
    network = Network([Dense(n_units, activation="relu"), Dense(2)], input_shape=2)
    partition = Partition.draw(network, n_submodels, seed=0, concentration=5)
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
    network = Network([Dense(100, activation="relu"), Dense(2)], input_shape=2)
    partition = Partition.draw(network, 4, seed=0, concentration=5)
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
    network = Network([Dense(640, activation="relu"), Dense(2)], input_shape=2)
    axes = Partition.draw(network, 32, seed=0, concentration=None).plot()
    assert axes.get_legend() is None
    assert axes.get_title() == "32 sub-models, one colour each"
    assert axes.get_yticklabels()[0].get_text() == "dense_1\n640 units\n20 to 20 each"


def test_partition_on_given_axes_leaves_pyplot_alone():
    network = Network([Dense(8, activation="relu"), Dense(2)], input_shape=2)
    axes = Figure().subplots()
    before = pyplot.get_fignums()
    assert plot_partition(Partition.draw(network, 2, seed=0), axes) is axes
    assert pyplot.get_fignums() == before
