"""The GPU's benchmarks: what came out is told and kept, and each section runs where it can."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("benchmarks", reason="a source distribution has no benchmarks")

from benchmarks.gpu import checks, jax_peers, sections, torch_peers
from benchmarks.gpu.board import Board, Row, over, read
from benchmarks.gpu.scale import FULL, QUICK, TINY
from benchmarks.operations import Step

ROOT = Path(__file__).parents[2]


@pytest.fixture
def board(tmp_path):
    return Board("example", tmp_path / "rows")


def test_rows_are_shown_and_kept(board, tmp_path, capsys):
    board.figure("a figure", 1.5, "µs")
    board.judged("fast", 9.0, 10.0)
    board.judged("wrong", 2e-6, 1e-5, "", at_most=True)
    board.missing("a peer", ImportError("no such module\nand more"))
    said = capsys.readouterr().out.splitlines()
    assert "1.5 µs" in said[0]
    assert "goal ≥ 10: MISSED" in said[1] and "goal ≤ 1e-05: reached" in said[2]
    assert "missing" in said[3] and said[3].endswith("ImportError: no such module")
    assert read(tmp_path / "rows") == board.rows
    assert [row.reached for row in board.rows] == [None, False, True, None]


def test_a_contestant_that_fails_leaves_the_others(board):
    def broken():
        raise ImportError("not installed")

    def breaks_when_called():
        raise NotImplementedError("no kernel")

    called = []
    makers = {
        "ours": lambda: lambda: called.append("ours"),
        "missing": broken,
        "late": lambda: breaks_when_called,
    }
    seconds = board.race("a race", makers, steps=2, turns=3)
    assert list(seconds) == ["ours"] and len(seconds["ours"]) == 3 and called
    assert {row.what: row.value is None for row in board.rows} == {
        "a race: missing": True, "a race: late": True, "a race: ours": False,
    }  # fmt: skip
    assert over(seconds, "missing") is None


def test_what_goes_wrong_in_ours_ends_the_section(board, tmp_path):
    def broken():
        raise RuntimeError("an illegal address")

    def quick():
        return lambda: None

    makers = {"ours": broken, "peer": quick}
    with pytest.raises(RuntimeError, match="illegal"):
        board.race("a race", makers, steps=1, turns=1)
    again = Board("example", tmp_path / "rows", without_ours=True)
    assert list(again.race("a race", makers, steps=1, turns=1)) == ["peer"]


def test_over_is_the_median_of_the_turns():
    assert over({"ours": [1.0, 2.0, 1.0], "peer": [3.0, 4.0, 90.0]}, "peer") == 3


def test_a_section_that_fails_says_so(monkeypatch, tmp_path, capsys):
    def breaks(board, scale, folder):
        board.figure("before", 1.0)
        raise RuntimeError("the GPU is gone")

    monkeypatch.setitem(sections.SECTIONS, "checks", (breaks, 10))
    assert not sections.run_here("checks", "tiny", None, tmp_path / "rows")
    assert [row.what for row in read(tmp_path / "rows")] == ["before", "the rest of the section"]
    assert "the GPU is gone" in capsys.readouterr().out


def test_a_section_gets_no_more_time_than_is_left(tmp_path):
    rows, _ = sections._apart("checks", QUICK, None, limit=0.0)
    assert rows == [
        Row("checks", "the rest of the section", None, note="no time was left of 115 s")
    ]


def test_all_sections_together_have_time_enough():
    for scale in (FULL, QUICK):
        assert scale.seconds <= {"full": 360, "quick": 120}[scale.name]
        assert scale.steps_of(1) % 8 == 0 and scale.steps_of(16) % 8 == 0


def test_each_operation_is_judged_and_a_wrong_one_found():
    x, y = checks.samples(TINY.small, 16)
    step = Step(checks.dense(TINY.small), x, y, 8, where="cpu")
    step.run()
    judged = 0
    for i, operation in enumerate(step.operations):
        if operation.kernel.startswith("gemm_forward"):
            ran = step.alone(i)
            (error,) = checks.errors(ran, 8, x)
            assert error < 1e-6
            wrong = ran._replace(after=ran.after + np.float32(0.01))
            assert next(iter(checks.errors(wrong, 8, x))) > 1e-4
            judged += 1
    assert judged == len(TINY.small) - 1


WIDTHS, BATCH, N_STEPS = (12, 9, 7, 4), 8, 8
PEER_RATE = 1e-2  # so that a few steps move more than rounding does


@pytest.fixture(scope="module")
def problem():
    """A network's initial values, batches, and the losses with which we train on these."""
    x, y = checks.samples(WIDTHS, N_STEPS * BATCH)
    network, rows = checks.dense(WIDTHS), np.arange(N_STEPS * BATCH)
    start = list(network.parameters.as_dict(network.initial_values(0)).values())
    losses = Step(network, x, y, BATCH, rows, rate=PEER_RATE).run()
    assert losses[-1] != pytest.approx(losses[0], rel=0.01)
    return start, x.reshape(N_STEPS, BATCH, -1), y.reshape(N_STEPS, BATCH), losses


def _torch_losses(stepper, x, y):
    """The loss on each batch, or those of networks one above the other, before its step."""
    torch = pytest.importorskip("torch")
    losses = []
    for own, wanted in zip(x, y, strict=True):
        own, wanted = (torch.as_tensor(part, device=torch_peers.device()) for part in (own, wanted))
        z = stepper.scores(own)
        several = z.reshape(-1, *z.shape[-2:])
        found = [torch.nn.functional.cross_entropy(z, wanted).item() for z in several]
        losses.append(found)
        n = (len(several),) if z.ndim == 3 else ()
        stepper.step(own.expand(*n, *own.shape), wanted.expand(*n, *wanted.shape))
    return np.array(losses).T


@pytest.mark.parametrize("how", ["eager", pytest.param("compiled", marks=pytest.mark.slow)])
def test_pytorch_trains_one_network_as_we_do(problem, how):
    torch = pytest.importorskip("torch")
    start, x, y, losses = problem
    stepper = torch_peers.stepper(WIDTHS, PEER_RATE, compiled=how == "compiled")
    with torch.no_grad():
        for own, values in zip(stepper.parameters.values(), start, strict=True):
            own.copy_(torch.from_numpy(values.T.copy()))  # theirs are (out, in)
    np.testing.assert_allclose(_torch_losses(stepper, x, y), losses[None], rtol=1e-5)


def test_pytorch_trains_stacked_networks_as_we_do(problem):
    torch = pytest.importorskip("torch")
    start, x, y, losses = problem
    stepper = torch_peers.stacked_stepper(WIDTHS, 3, PEER_RATE)
    for own, values in zip(stepper.parameters.values(), start, strict=True):
        own[1].copy_(torch.from_numpy(values.T.copy()))
    found = _torch_losses(stepper, x, y)
    np.testing.assert_allclose(found[1], losses, rtol=1e-5)
    assert not np.isclose(found[0], losses, rtol=1e-4).any()


def test_pytorch_begins_anew_where_it_began(problem):
    pytest.importorskip("torch")
    _, x, y, _ = problem
    for stepper in (torch_peers.stepper(WIDTHS), torch_peers.stacked_stepper(WIDTHS, 2)):
        first = _torch_losses(stepper, x, y)
        stepper.reset()
        np.testing.assert_array_equal(_torch_losses(stepper, x, y), first)


def test_pytorch_has_no_graphs_without_a_gpu_and_says_so(board):
    pytest.importorskip("torch")
    if torch_peers.device() == "cuda":
        pytest.skip("here is a GPU")
    board.made("graphs", torch_peers.need_graphs)
    assert "finds no GPU" in board.rows[0].note
    done = []
    torch_peers.graphed(lambda: done.append(1))()
    assert done == [1]


def test_jax_trains_as_we_do(problem):
    jax = pytest.importorskip("jax")
    start, x, y, losses = problem
    state = jax_peers.begun(list(zip(start[::2], start[1::2], strict=True)))
    # Of networks one above the other, as they are timed.
    states = jax.tree_util.tree_map(lambda part: np.stack([part, 2 * part]), state)
    found, step = [], jax.jit(jax.vmap(jax_peers.step, (0, None, None, None)))
    for own, wanted in zip(x, y, strict=True):
        first = jax.tree_util.tree_map(lambda part: part[0], states[0])
        found.append(jax_peers.loss(first, own, wanted))
        states = step(states, own, wanted, np.float32(PEER_RATE))
    np.testing.assert_allclose(found, losses, rtol=1e-5)


def _tiny(module, *arguments):
    return _simulated("-m", module, "--tiny", *arguments)


def _simulated(*command):
    """Run Python in the simulator, which wants no peers' GPUs either."""
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(ROOT)}
    environment |= {"JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore::RuntimeWarning", *command],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# All sections but the first, in one process: importing and starting takes longer than they do.
REST = """
import sys
from pathlib import Path

from benchmarks.gpu.sections import SECTIONS, run_here

for name in list(SECTIONS)[1:]:
    run_here(name, "tiny", None, Path(sys.argv[1], name))
"""


@pytest.mark.slow
def test_tiny_forms_of_the_sections(tmp_path):
    first, *rest = sections.SECTIONS
    _tiny("benchmarks.gpu", "--only", first, "--json", str(tmp_path / "rows.json"))
    _simulated("-c", REST, str(tmp_path))
    rows = [Row(**row) for row in json.loads((tmp_path / "rows.json").read_text())]
    peers = ("PyTorch", "JAX", "eager", "compiled", "graph", "ceilings", "vmap", "over ")
    for name, found in {first: rows, **{name: read(tmp_path / name) for name in rest}}.items():
        ours = [row for row in found if not any(peer in row.what for peer in peers)]
        expected = {"GPU"} | {row.what for row in ours if "to 98 %" in row.what}
        assert ours, name
        assert {row.what for row in ours if row.value is None} <= expected
        assert all(row.reached is not False for row in ours if row.section == "checks")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["graphs", "products", "persistent_blocks"])
def test_tiny_form_of_an_experiment(name):
    said = _tiny("benchmarks.gpu.experiments", "--only", name)
    assert "the rest of the experiment" not in said
    if name == "graphs":
        assert "the same bits twice" in said and "MISSED" not in said
    if name == "persistent_blocks":
        assert "relative error" in said


def test_wheels_are_fetched_by_name_and_no_registry_is_named():
    script = (ROOT / "benchmarks" / "gpu" / "prepare.sh").read_text()
    assert "://" not in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
