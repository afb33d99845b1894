from __future__ import annotations

import math

import numpy as np
import pytest

from tests import oracle
from tests.kernels.masks import dropconnect_masks, packed_masks

KEY = (0x12345678 << 32) | 0x9ABCDEF0
SHAPE = (64, 104, 192)  # examples, rows, columns: 13 tiles by 3
DRAW = {"key": KEY, "step": 3, "stream": 1}


def _masks(shape=SHAPE, keep_probability=0.5, mask="example", **draw):
    return dropconnect_masks(shape, keep_probability, mask, **(DRAW | draw))


def _correlation(a, b):
    """In standard deviations of what independent draws would give."""
    a, b = a - a.mean(), b - b.mean()
    return (a * b).mean() / (a.std() * b.std()) * math.sqrt(a.size)


def _by_definition(word, tile, digit):
    key0, key1, key2, _ = oracle.philox4x32(
        (tile, digit, DRAW["step"], DRAW["stream"]), (KEY & 0xFFFFFFFF, KEY >> 32)
    )
    x = (word + key0) % 2**32
    x = ((x ^ x >> 16) * 0x21F0AAAD + key1) % 2**32
    x = ((x ^ x >> 15) * 0xD35A2D97 + key2) % 2**32
    return x ^ x >> 15


@pytest.mark.parametrize("kept", [1, 64, 128, 205])
def test_a_bit_is_set_where_its_digits_are_below_the_probability(kept):
    keep = _masks((3, 10, 70), kept / 256)
    for b, i, j in np.random.default_rng(0).integers((3, 10, 70), size=(60, 3)).tolist():
        tile, word, place = i // 8 * 2 + j // 64, 16 * b + j % 16, 4 * (i % 8) + j % 64 // 16
        digits = [_by_definition(word, tile, digit) >> (31 - place) & 1 for digit in range(8)]
        # A digit of 1 stands for "not below so far": the mask is set where the number is less.
        number = sum((1 - bit) << digit for digit, bit in enumerate(digits))
        assert keep[b, i, j] == (number < kept)


@pytest.mark.parametrize("kept", [1, 26, 64, 128, 131, 230, 255])
def test_as_many_are_kept_as_asked_for(kept):
    keep, p = _masks((128, 200, 192), kept / 256), kept / 256
    assert abs(keep.mean() - p) < 4 * math.sqrt(p * (1 - p) / keep.size)


@pytest.mark.parametrize("kept", [51, 128, 192])
def test_no_example_row_or_column_is_favoured(kept):
    keep, p = _masks((256, 136, 192), kept / 256), kept / 256
    for axes in ((0, 1), (0, 2), (1, 2), (0,), (1,), (2,)):
        n = math.prod(keep.shape[axis] for axis in axes)
        z = (keep.mean(axis=axes) - p) / math.sqrt(p * (1 - p) / n)
        assert abs(z).max() < 5.5
        assert z.std() == pytest.approx(1, abs=5 / math.sqrt(2 * z.size))


@pytest.mark.parametrize("kept", [51, 128, 192])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_neighbours_draw_alone(axis, kept):
    keep = np.moveaxis(_masks(keep_probability=kept / 256), axis, 0)
    for lag in (1, 2, 3, 4, 7, 8, 15, 16, 17, 24, 32, 48, 63):
        assert abs(_correlation(keep[:-lag], keep[lag:])) < 4.5


@pytest.mark.parametrize("kept", [51, 128])
def test_pairs_of_neighbours_say_nothing_of_a_third(kept):
    keep = _masks(keep_probability=kept / 256)
    same = keep[:, :-1] == keep[:, 1:]
    assert abs(_correlation(same[:, :, :-1], keep[:, :-1, 1:])) < 4.5
    assert abs(_correlation(same[:-1], keep[1:, :-1])) < 4.5
    assert abs(_correlation(same[:, :, :-16], same[:, :, 16:])) < 4.5


@pytest.mark.parametrize("kept", [51, 128, 192])
def test_steps_layers_and_submodels_draw_alone(kept):
    same = _masks(keep_probability=kept / 256)
    np.testing.assert_array_equal(same, _masks(keep_probability=kept / 256))
    for other in (
        {"step": 4},
        {"step": 2},
        {"stream": 2},
        {"key": KEY + 1},
        {"key": KEY ^ 1 << 40},
    ):
        assert abs(_correlation(same, _masks(keep_probability=kept / 256, **other))) < 4.5
    # ... also where the numbers are those of another one in another order.
    swapped = _masks(keep_probability=kept / 256, step=1, stream=3)
    assert abs(_correlation(same, swapped)) < 4.5


def test_the_masks_of_many_steps_agree_as_often_as_chance_has_it():
    masks = np.stack([_masks((16, 16, 64), step=step).ravel() for step in range(200)])
    signs = np.where(masks, 1.0, -1.0)
    agreement = signs @ signs.T / math.sqrt(signs.shape[1])
    z = agreement[np.triu_indices(200, 1)]
    assert abs(z).max() < 5.5
    assert z.std() == pytest.approx(1, abs=0.05)


def test_bits_of_a_word_and_words_of_a_tile_are_balanced_together():
    """Bytes of the words are uniform: a chi-squared test of 255 degrees of freedom."""
    words = packed_masks((512, 104, 192), **DRAW)
    counts = np.bincount(words.view(np.uint8).ravel(), minlength=256)
    expected = counts.sum() / 256
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi2 - 255) < 5 * math.sqrt(2 * 255)


def test_an_example_has_its_mask_in_any_batch():
    np.testing.assert_array_equal(_masks((9, 17, 101))[:4], _masks((4, 17, 101)))


def test_a_shared_mask_is_that_of_a_batch_of_one():
    np.testing.assert_array_equal(_masks((64, 17, 101), mask="batch"), _masks((1, 17, 101)))
