"""The timeline shows who trained when, in any size and style."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib import style
from matplotlib.colors import to_hex

from dask_horn.diagnostics.colours import colour_of
from dask_horn.diagnostics.plots import plot_workers
from dask_horn.records import History
from tests.diagnostics.records import history, record
from tests.diagnostics.rendered import assert_readable, figure

BEGIN = 1e9  # seconds since 1970


def _run(n_rounds: int, n_workers: int, n_groups: int = 2, n_submodels: int = 2) -> History:
    """Rounds of two seconds, in which each worker trains its sub-models one after the other."""
    workers = [f"tcp://10.0.0.{1 + i // 8}:{4000 + i % 8}" for i in range(n_workers)]
    records = []
    for round in range(n_rounds):
        begun = BEGIN + 2.0 * round
        numbers = np.arange(n_groups * n_submodels).reshape(n_groups, n_submodels)
        turns = -(-numbers.size // n_workers)
        records.append(
            replace(
                record(round + 1, n_groups=n_groups, n_submodels=n_submodels),
                seconds=2.0,
                workers=tuple(tuple(workers[i % n_workers] for i in own) for own in numbers),
                submodel_seconds=tuple((1.5 / turns,) * n_submodels for _ in numbers),
                submodel_started=tuple(
                    tuple(begun + 0.1 + 1.5 / turns * (i // n_workers) for i in own)
                    for own in numbers
                ),
                ended=begun + 2.0,
            )
        )
    return History(records)


def _bars(axes) -> list[tuple[str, float, float, float]]:
    """Colour, start, end and lower edge of each bar of a training."""
    found = []
    for bars in axes.collections:
        for path in bars.get_paths():
            (x0, y0), (x1, y1) = path.vertices.min(axis=0), path.vertices.max(axis=0)
            if x1 > x0 and y1 > y0:
                found.append((to_hex(bars.get_facecolor()[0]), x0, x1, y0))
    return sorted(found, key=lambda bar: (round(bar[3], 6), bar[1]))


def _labels(axes) -> list[str]:
    axes.figure.canvas.draw()
    return [label.get_text() for label in axes.get_yticklabels()]


def test_each_training_is_a_bar_in_its_workers_row():
    axes = _run(2, 2).plot_workers(ax=figure(800).subplots())
    assert _labels(axes) == [":4000", ":4001"]
    bars = _bars(axes)
    assert len(bars) == 8
    own = [bar for bar in bars if bar[3] < 0.5]  # the first worker's
    starts = [start for _, start, _, _ in own]
    np.testing.assert_allclose(starts, [0.1, 0.85, 2.1, 2.85], atol=1e-6)
    np.testing.assert_allclose([end - start for _, start, end, _ in own], 0.75, atol=1e-6)
    assert [bar[0] for bar in own] == [colour_of(g).lower() for g in (0, 1, 0, 1)]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["group 0", "group 1", "waiting, 23%"]
    assert axes.get_xlabel() == "seconds"


def test_sub_models_are_told_apart_where_there_is_one_group():
    axes = _run(1, 2, n_groups=1).plot_workers(ax=figure(800).subplots())
    assert {bar[0] for bar in _bars(axes)} == {colour_of(m).lower() for m in (0, 1)}


def test_rounds_end_at_lines_with_their_numbers():
    axes = _run(3, 2).plot_workers(ax=figure(800).subplots())
    axes.figure.canvas.draw()
    assert [text.get_text() for text in axes.texts] == ["round 1", "round 2", "round 3"]
    (lines,) = [one for one in axes.collections if len(one.get_paths()[0].vertices) == 2]
    assert [path.vertices[0, 0] for path in lines.get_paths()] == [2.0, 4.0, 6.0]
    many = _run(200, 2).plot_workers(ax=figure(1600).subplots())
    many.figure.canvas.draw()
    assert len(many.texts) == 20


def test_trainings_at_the_same_time_have_strips_of_their_own():
    run = _run(1, 2)
    at_once = replace(run[0], submodel_started=((BEGIN + 0.1,) * 2, (BEGIN + 0.3,) * 2))
    bars = _bars(History([at_once]).plot_workers(ax=figure(800).subplots()))
    assert len({round(bar[3], 3) for bar in bars}) == 4


def test_trainings_of_one_task_stand_one_after_the_other():
    run = _run(1, 1, n_groups=1)
    one_task = replace(run[0], submodel_started=((BEGIN + 0.1,) * 2,))
    bars = _bars(History([one_task]).plot_workers(ax=figure(800).subplots()))
    assert len({round(bar[3], 3) for bar in bars}) == 1
    assert bars[1][1] == pytest.approx(bars[0][2])


def test_the_pause_of_a_run_that_was_resumed_is_left_out():
    first, second = _run(2, 2)
    day = 86_400.0
    later = replace(
        second,
        ended=second.ended + day,
        submodel_started=tuple(tuple(at + day for at in own) for own in second.submodel_started),
    )
    resumed = _bars(History([first, later]).plot_workers(ax=figure(800).subplots()))
    whole = _bars(History([first, second]).plot_workers(ax=figure(800).subplots()))
    np.testing.assert_allclose([b[1] for b in resumed], [b[1] for b in whole], atol=1e-5)


def test_without_a_cluster_there_is_one_row():
    run = _run(1, 1)
    here = replace(run[0], workers=(("", ""), ("", "")))
    assert _labels(History([here]).plot_workers(ax=figure(800).subplots())) == ["this process"]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("panels", [1, 2])
@pytest.mark.parametrize(("n_workers", "n_rounds"), [(1, 3), (2, 200), (12, 3), (64, 20)])
def test_texts_can_be_read(n_workers, n_rounds, panels, width, dark):
    with style.context("dark_background" if dark else "default"):
        drawn = figure(width)
        for axes in np.ravel(drawn.subplots(1, panels)):
            _run(n_rounds, n_workers, n_submodels=max(2, n_workers // 2)).plot_workers(ax=axes)
        assert_readable(drawn)


def test_what_cannot_be_drawn_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="does not say when its trainings began"):
        plot_workers(history(3))
    with pytest.raises(ValueError, match="no rounds"):
        plot_workers(History())
