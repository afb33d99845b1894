"""Learning curves show what they are given, in any size and style, and leave pyplot alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot, style
from matplotlib.figure import Figure

from dask_horn.diagnostics.plots import plot_history
from dask_horn.records import History
from tests.diagnostics.records import history, record
from tests.diagnostics.rendered import assert_readable, figure


@pytest.fixture(autouse=True)
def no_window():
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


def _texts(axes) -> list[str]:
    axes.figure.draw_without_rendering()
    return [text.get_text() for text in axes.texts if text.get_text()]


def test_curves_are_the_records():
    axes = plot_history(history(5))
    training, validation = axes.get_lines()[:2]
    np.testing.assert_allclose(training.get_ydata(), history(5).column("loss"))
    np.testing.assert_allclose(validation.get_ydata(), history(5).column("validation_loss"))
    losses, scores = axes.figure.axes
    assert losses.get_ylabel() == "loss"
    assert (scores.get_xlabel(), scores.get_ylabel()) == ("round", "validation score")
    curve, ring = scores.get_lines()
    np.testing.assert_allclose(curve.get_ydata(), history(5).column("validation_score"))
    assert ring.get_xydata().tolist() == [[5, 0.9]]
    assert ring.get_label() == "best: 0.9000, round 5"


def test_the_first_of_equal_scores_is_ringed():
    ring = plot_history(History([record(1), record(2)])).figure.axes[1].get_lines()[1]
    assert ring.get_xdata() == [1]


def test_a_score_that_is_not_a_number_is_not_the_best():
    scores = (float("nan"), 0.5, 0.4)
    scored = [replace(record(i), validation_score=score) for i, score in enumerate(scores, 1)]
    ring = plot_history(History(scored)).figure.axes[1].get_lines()[1]
    assert ring.get_xydata().tolist() == [[2, 0.5]]
    assert ring.get_label() == "best: 0.5000, round 2"
    diverged = plot_history(History(scored[:1])).figure.axes[1]
    assert len(diverged.get_lines()) == 1  # no ring


def test_a_band_reaches_from_the_lowest_group_to_the_highest():
    groups = ((0.2, 0.4), (0.5, 0.7), (0.1, 0.1))
    (band,) = plot_history(History([replace(record(1), losses=groups)] * 2)).collections
    assert {round(y, 6) for _, y in band.get_paths()[0].vertices} == {0.1, 0.6}
    assert not plot_history(History([record(1, n_groups=1)])).collections


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
    assert history(3).plot(ax=single) is single
    assert [axes.get_ylabel() for axes in single.figure.axes] == ["loss", "validation score"]
    assert history(3, scored=False).plot(ax=Figure().subplots(2, 1)).get_ylabel() == "loss"
    assert pyplot.get_fignums() == before


def test_other_numbers_of_axes_are_refused():
    with pytest.raises(ValueError, match="ax must be one Axes or a pair of them, got 3"):
        history(3).plot(ax=Figure().subplots(3, 1))


def test_losses_that_span_decades_are_logarithmic():
    steep = History([record(1, loss=1.0), record(2, loss=1e-4)])
    assert plot_history(steep).get_yscale() == "log"
    assert plot_history(history(3)).get_yscale() == "linear"


def test_divisions_are_marked():
    assert _texts(plot_history(history(8, last_divided=1))) == ["2 groups × 2 sub-models", "2 × 1"]
    assert _texts(plot_history(history(1))) == ["2 groups × 2 sub-models"]
    alone = History([record(1, n_groups=1, n_submodels=1)])
    assert _texts(plot_history(alone)) == ["1 group, undivided"]


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


def test_words_that_have_no_room_are_left_out_until_there_is_some():
    drawn = figure(300)
    axes = _ending(60, 1).plot(ax=drawn.subplots())
    assert _texts(axes) == ["1 group × 8 sub-models"]
    axes.set_xlim(60.5, 63.5)
    drawn.set_size_inches(9, 3)
    assert {"2 groups × 4 sub-models", "4 groups × 2 sub-models"} <= {*_texts(axes)}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("panels", [1, 2])
@pytest.mark.parametrize(
    "made", [lambda: _ending(2, 1), lambda: _ending(140, 20), lambda: history(3)]
)
def test_texts_can_be_read(made, panels, width, dark):
    with style.context("dark_background" if dark else "default"):
        drawn = figure(width)
        made().plot(ax=drawn.subplots(panels, 1))
        assert_readable(drawn)


def test_rounds_are_whole_numbers_on_the_axis():
    axes = plot_history(history(1))
    assert [tick for tick in axes.get_xticks() if 0.5 <= tick <= 1.5] == [1]


def test_no_rounds_are_refused():
    with pytest.raises(ValueError, match="no rounds"):
        plot_history(History())
