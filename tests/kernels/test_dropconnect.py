"""The products with masks against sums over the unpacked masks, in float64."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.masks import packed_masks, unpacked
from tests.kernels.runner import at_most, run_kernel

# Batch, inputs, outputs: one of each, remainders of tiles and panels, several panels.
SHAPES = [
    (1, 1, 1),
    (3, 7, 5),
    (2, 8, 64),
    (7, 31, 66),
    (17, 3, 130),
    (2, 100, 9),
    (17, 63, 70),
    (65, 64, 130),
    (130, 77, 9),
    (7, 200, 65),
]

KEY = (0x12345678 << 32) | 0x9ABCDEF0


class _Case:
    """One example of everything that the kernels read."""

    def __init__(self, shape, seed=0, zeros=0.3, kept=0.5, **draw):
        self.batch, self.n_in, self.n_out = shape
        self.rows = 1  # of each sample
        rng = np.random.default_rng(seed)
        self.x = self._values(rng, self.batch, self.n_in)
        self.x *= rng.random(self.x.shape) >= zeros
        self.weight = self._values(rng, self.n_in, self.n_out)
        self.bias = self._values(rng, self.n_out)
        self.gradient = self._values(rng, self.batch, self.n_out)
        self.kept_of_256 = 256 * kept
        self.draw = {"key": KEY + seed, "step": 3, "stream": 1} | draw
        self.words = packed_masks((self.batch, self.n_in + 1, self.n_out), kept, **self.draw)
        masks = unpacked(self.words, self.n_in + 1, self.n_out).astype(float)
        self.kept, self.kept_bias = masks[:, :-1], masks[:, -1]

    def _values(self, rng, *shape):
        return rng.normal(size=shape).astype("f4")

    def run(self, name, *buffers, one=1.0):
        return run_kernel(
            name,
            *(*buffers, self.words),
            batch=self.batch // self.rows,
            rows=self.rows,
            n_in=self.n_in,
            n_out=self.n_out,
            constants=[one, self.kept_of_256],
            **self.draw,
        ).buffers

    def forward(self, one=1.0):
        out = np.full((self.batch, self.n_out), 9, np.float32)
        return self.run("dropconnect_forward", self.x, self.weight, out, self.bias, one=one)[2]

    def to_input(self):
        out = np.full((self.batch, self.n_in), 9, np.float32)
        return self.run("dropconnect_input", self.gradient, self.weight, out)[2]

    def to_weight(self, one=1.0):
        out, out_bias = np.full_like(self.weight, 9), np.full_like(self.bias, 9)
        ran = self.run("dropconnect_weight", self.x, self.gradient, out, out_bias, one=one)
        return ran[2], ran[3]


def _assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-6 * (1 + abs(expected).max()))


@pytest.mark.parametrize("one", [1.0, 0.25])
@pytest.mark.parametrize("shape", SHAPES)
def test_forward(shape, one):
    case = _Case(shape)
    expected = np.einsum("bi,bij,ij->bj", case.x.astype(float), case.kept, case.weight)
    _assert_close(case.forward(one), expected + one * case.kept_bias * case.bias)


@pytest.mark.parametrize("shape", SHAPES)
def test_input_gradient(shape):
    case = _Case(shape)
    expected = np.einsum("bj,bij,ij->bi", case.gradient.astype(float), case.kept, case.weight)
    _assert_close(case.to_input(), expected)


@pytest.mark.parametrize("one", [1.0, 0.25])
@pytest.mark.parametrize("shape", SHAPES)
def test_weight_gradient(shape, one):
    case = _Case(shape)
    found, found_bias = case.to_weight(one)
    _assert_close(found, np.einsum("bi,bj,bij->ij", case.x.astype(float), case.gradient, case.kept))
    _assert_close(found_bias, one * (case.gradient.astype(float) * case.kept_bias).sum(axis=0))


def test_an_example_has_the_same_bits_in_any_batch():
    shape = (at_most(70, 7), 37, at_most(100, 70))
    whole, part = _Case(shape), _Case(shape)
    part.batch, part.words = 3, np.ascontiguousarray(whole.words[:, :, :3])
    part.x, part.gradient = whole.x[:3], whole.gradient[:3]
    np.testing.assert_array_equal(whole.forward()[:3], part.forward())
    np.testing.assert_array_equal(whole.to_input()[:3], part.to_input())


def test_all_inputs_zero():
    case = _Case((5, 20, 30), zeros=1.1)
    np.testing.assert_array_equal(case.forward(), (case.kept_bias * case.bias).astype("f4"))
    found, _ = case.to_weight()
    assert not found.any()


@pytest.mark.parametrize("what", ["x", "weight"])
def test_nan_is_not_lost(what):
    case = _Case((4, 30, 20), kept=0.9)
    getattr(case, what)[...] = np.nan
    assert np.isnan(case.forward()).all()


@pytest.mark.parametrize("shape", [(1, 1), (9, 5), (8, 64), (17, 130)])
@pytest.mark.parametrize("in_place", [False, True])
def test_what_a_shared_mask_keeps(shape, in_place):
    n_in, n_out = shape
    words = packed_masks((1, n_in + 1, n_out), mask="batch", key=5)
    keep = unpacked(words, n_in + 1, n_out)[0]
    tensor = np.random.default_rng(0).normal(size=(n_in + 1, n_out)).astype("f4")
    for rows in (slice(0, n_in), slice(n_in, n_in + 1)):
        source = tensor[rows]
        ran = run_kernel(
            "dropconnect_keep",
            *(source, np.full_like(source, 9), words),
            operands=(0, 0, 2) if in_place else (0, 1, 2),
            n_in=len(source),
            n_out=n_out,
            constants=[2.0, 128],
            sizes=(rows.start,),
            key=5,
        )
        np.testing.assert_array_equal(ran.buffers[0 if in_place else 1], 2 * source * keep[rows])


@pytest.mark.parametrize(
    ("kept", "draw"),
    [
        (128, {}),
        (1, {"step": 70_000}),
        (77, {"stream": 5}),
        (192, {"key": 2**63 - 2}),
        (255, {"key": 7}),
    ],
    ids=["half", "another step", "another stream", "another key", "a short key"],
)
def test_every_bit_is_used_where_it_belongs(kept, draw):
    """Sums of powers of two tell of each term whether it is there."""
    case = _Case((3, 20, 70), kept=kept / 256, **draw)
    powers, kept = 2.0 ** np.arange(24, dtype="f4"), case.kept.astype(int)
    case.x[...], case.weight[...], case.bias[...] = 1, powers[:20, None], powers[20]
    rows = np.append(kept, case.kept_bias[:, None].astype(int), axis=1)
    np.testing.assert_array_equal(_digits(case.forward(), 21), np.moveaxis(rows, 1, -1))
    case.gradient[...] = powers[:3, None]
    found, found_bias = case.to_weight()
    np.testing.assert_array_equal(_digits(found, 3), np.moveaxis(kept, 0, -1))
    np.testing.assert_array_equal(_digits(found_bias, 3), case.kept_bias.T)
    for first in (0, 24, 46):  # of the columns whose powers are told apart
        case.gradient[...], case.weight[...] = 0, 0
        case.gradient[:, first : first + 24], case.weight[:, first : first + 24] = 1, powers
        found = _digits(case.to_input(), 24)
        np.testing.assert_array_equal(found, kept[:, :, first : first + 24])


def _digits(sums, n):
    """The binary digits of whole numbers, the lowest first, along another axis."""
    return sums[..., None].astype(int) >> np.arange(n) & 1


def test_masks_of_sequences_are_those_of_as_many_examples():
    case = _Case((6, 9, 11))
    flat, case.rows = case.forward(), 3
    np.testing.assert_array_equal(case.forward(), flat)
    by_step = case.to_input(), *case.to_weight()
    case.rows = 1
    for found, expected in zip(by_step, (case.to_input(), *case.to_weight()), strict=True):
        np.testing.assert_array_equal(found, expected)
