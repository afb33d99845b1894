"""The map of the division: widths are units, and joined parts grow together."""

from __future__ import annotations

from dask_horn.diagnostics.page.division import MOST, division
from tests.diagnostics.page.told import BEGAN, WORKERS, begun, heard, merged, progress


def edges(found, group=0):
    return [(one.left, one.right) for one in found.rectangles if one.group == group]


def test_nothing_is_known():
    assert division(heard({"kind": "Preparing", "run": "a", "time": 1.0, "what": "x"}).newest) == (
        division(heard(begun(plans=())).newest)
    )


def test_before_the_first_word_parts_are_equal():
    found = division(heard(begun()).newest)
    assert (found.round, found.n_groups, found.n_submodels) == (1, 2, 4)
    assert edges(found) == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert {one.fraction for one in found.rectangles} == {0.0}


def test_trainings_fill_their_rectangles():
    run = heard(begun(), progress(1, 0, 1, steps=5, units=30), progress(1, 1, 0, steps=9)).newest
    by_place = {(one.group, one.submodel): one for one in division(run).rectangles}
    assert by_place[0, 1].fraction == 0.5 and by_place[1, 0].fraction == 0.9
    assert by_place[0, 1].right - by_place[0, 1].left == 30
    assert by_place[0, 1].worker == WORKERS[1] and by_place[0, 1].loss == 0.25
    assert by_place[0, 0].fraction == 0 and by_place[0, 0].worker == ""


def test_a_merged_round_is_full():
    found = division(heard(begun(), progress(1, 0, 0), merged(1)).newest)
    assert found.is_merged and {one.fraction for one in found.rectangles} == {1.0}
    assert edges(found) == [(0, 10), (10, 20), (20, 30), (30, 40)]


def test_joined_parts_keep_their_outer_edges():
    units = ((5, 10, 20, 7), (1, 2, 3, 36))
    run = heard(begun(), merged(3, submodel_units=units), progress(4, 1, 0, units=3)).newest
    found = division(run)
    assert found.round == 4 and found.n_submodels == 2
    assert edges(found, 0) == [(0, 15), (15, 42)]  # nothing is told yet: it follows from before
    assert edges(found, 1) == [(0, 3), (3, 42)]


def test_losses_of_the_round_before():
    found = division(heard(begun(), merged(1), merged(2)).newest)
    assert found.rectangles[0].loss == 0.5 and found.rectangles[0].loss_before == 1.0


def test_the_next_round_trains_before_the_merge_is_heard_of():
    run = heard(begun(), merged(1), progress(3, 0, 0, time=BEGAN + 1.5)).newest
    found = division(run)
    assert found.round == 3
    assert edges(found, 1) == [
        (0, 10),
        (10, 20),
        (20, 30),
        (30, 40),
    ]  # as in the last that is known


def test_a_band_of_which_nothing_is_known_is_as_wide_as_others():
    found = division(heard(begun(), progress(1, 0, 0, units=30)).newest)
    assert edges(found, 1) == [(0, 30), (30, 60), (60, 90), (90, 120)]


def test_of_very_many_the_first_groups_are_drawn():
    found = division(heard(begun(plans=((1000, 8),))).newest)
    assert found.n_groups == 1000 and 0 < len(found.rectangles) <= MOST
