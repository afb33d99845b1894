"""What is drawn of a training graph: named stages in their colours, groups in boxes, no file."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import dask
import numpy as np
import pytest
from dask.base import is_dask_collection
from distributed.utils import color_of

import dask_horn as horn
from dask_horn.diagnostics.task_graph import fold

X, Y = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32), np.arange(200) % 2
NETWORK = horn.Network([horn.Dense(32, activation="relu"), horn.Dense(2)], 8)

graphviz = pytest.importorskip("graphviz")
drawn = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")


def _graph(**settings):
    return horn.training_graph(NETWORK, X, Y, steps_per_round=1, **settings)


def _folded(most: int = 200, **settings):
    return fold(_graph(**settings).dask.to_dict(), most)


def _labels(folded) -> list[str]:
    return sorted(node.label for node in folded.nodes.values())


def _texts(svg: str) -> list[str]:
    return [text.replace("&#45;", "-") for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_task_is_named_by_stage_group_and_submodel():
    folded = _folded(n_groups=2, n_submodels=[2], n_rounds=1)
    assert _labels(folded) == [
        "initial values", "parent", "record", "send s0", "send s1", "share s0", "share s1",
        "take s0", "take s1", "train g0 s0", "train g0 s1", "train g1 s0", "train g1 s1",
        "update s0", "update s1",
    ]  # fmt: skip
    edges = {(folded.nodes[a].label, folded.nodes[b].label) for a, b in folded.edges}
    assert {
        ("send s1", "train g0 s1"),
        ("train g1 s0", "share s0"),
        ("share s0", "record"),
    } <= edges


def test_redrawn_groups_take_and_put_for_themselves():
    folded = _folded(n_groups=2, n_submodels=[2], n_rounds=1, redraw=True)
    boxes = {node.label: node.place.group for node in folded.nodes.values()}
    assert boxes["take g1 s0"] == boxes["put g1"] == boxes["train g1 s1"] == 1
    assert boxes["update"] is boxes["merge"] is boxes["initial values"] is None


def test_members_of_an_ensemble_are_told_apart():
    labels = _labels(_folded(n_groups=2, n_submodels=[2], n_rounds=1, merge="ensemble"))
    assert {"initial values m1", "take g1 s0", "train g1 s0", "update m1 s0", "parent m1"} <= {
        *labels
    }
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(
    ("settings", "trainings", "left_out"),
    [
        ({"n_groups": 4, "n_submodels": [16], "n_rounds": 3}, ["train × 16"] * 12, 0),
        ({"n_groups": 30, "n_submodels": [4], "n_rounds": 2}, ["train × 120"] * 2, 0),
        ({"n_groups": 1, "n_submodels": [2], "n_rounds": 100}, None, 97),
    ],
)
def test_what_is_too_large_is_folded(settings, trainings, left_out):
    folded = _folded(**settings)
    assert len(folded.nodes) <= 200
    assert folded.n_left_out == left_out
    if trainings:
        assert [text for text in _labels(folded) if text.startswith("train")] == trainings
    else:
        assert {node.place.round for node in folded.nodes.values()} == {None, 0, 1, 2}


def test_every_round_is_drawn_by_its_stages_however_few_are_allowed():
    folded = _folded(1, n_groups=2, n_submodels=[2], n_rounds=3)
    assert folded.n_left_out == 2
    assert "train × 4" in _labels(folded)


@drawn
def test_a_drawing_shows_groups_and_rounds_and_leaves_no_file(here):
    graph = _graph(n_groups=2, n_submodels=[2], n_rounds=2)
    svg = graph.visualize().svg
    assert list(here.iterdir()) == []
    texts = _texts(svg)
    assert {"round 1", "round 2", "group 0", "group 1", "train g0 s1", "record"} <= {*texts}
    assert color_of("train").lower() in svg.lower() and color_of("share").lower() in svg.lower()
    assert graph._repr_svg_() == graph.visualize()._repr_svg_() == svg
    assert "more round" not in svg


@drawn
def test_a_drawing_says_how_much_it_leaves_out():
    assert "… 117 more rounds" in _texts(_graph(n_rounds=120, n_submodels=[2]).visualize().svg)


@drawn
@pytest.mark.parametrize(
    ("name", "begins"),
    [("g.svg", b"<?xml"), ("g.png", b"\x89PNG"), ("g.pdf", b"%PDF"), ("g.dot", b"digraph")],
)
def test_a_file_is_written_where_one_is_named(here, name, begins):
    drawing = _graph(n_rounds=1).visualize(name)
    assert (here / name).read_bytes().startswith(begins)
    assert [path.name for path in here.iterdir()] == [name]
    assert drawing.svg.startswith("<?xml")


def test_other_names_are_refused(here):
    with pytest.raises(ValueError, match=r"filename must end with .svg, .png, .pdf or .dot, got"):
        _graph(n_rounds=1).visualize("graph")
    with pytest.raises(ValueError, match="max_nodes must be an integer"):
        _graph(n_rounds=1).visualize(max_nodes=0)


def test_what_is_missing_is_told(monkeypatch):
    graph = _graph(n_rounds=1)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="needs Graphviz's program `dot`"):
        graph.visualize()
    assert graph._repr_svg_() is None
    monkeypatch.setitem(__import__("sys").modules, "graphviz", None)
    with pytest.raises(ImportError, match="needs the Python package graphviz"):
        graph.visualize()


def test_it_is_a_collection_of_dask_all_the_same():
    graph = _graph(n_groups=1, n_rounds=1)
    assert is_dask_collection(graph)
    (report,) = dask.compute(graph, scheduler="sync")
    assert report.round == 0
    (again,) = dask.persist(graph, scheduler="sync")
    assert again.compute(scheduler="sync").round == 0
