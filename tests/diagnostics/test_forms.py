"""What notebooks show: whole HTML of few characters, in which nothing of the user's runs."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn import config_context
from sklearn.pipeline import make_pipeline

import dask_horn as horn
from dask_horn import Dense, Ensemble, Model, Network, Partition, TrainingOptions
from dask_horn.data import Standardizer, Targets
from dask_horn.diagnostics import html as pieces
from dask_horn.diagnostics.colours import BEST, colour_of
from dask_horn.diagnostics.forms.curves import Curve, small_plot
from dask_horn.records import History
from dask_horn.training import TrainingResult
from tests.diagnostics.records import history, record

EVIL = "<script>alert('&')</script>"
_EMPTY = {"path", "line", "circle"}


class _Page(HTMLParser):
    """What a browser makes of HTML: elements, and the text that people read."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        assert tag in _EMPTY
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if "style" not in self.open:
            self.texts.append(text)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


def page(shown) -> _Page:
    return _Page(shown._repr_html_())


def make_model(labels=("cat", "dog"), temperature=1.0, **parts) -> Model:
    targets = Targets.of_classes(np.array(labels))
    network = Network([Dense(8, "relu"), Dense(len(labels))], input_shape=5)
    parameters = network.initial_values(0)
    identity = Standardizer.identity(5)
    return Model(network, parameters, identity, targets, temperature, **parts)


def deep(n: int) -> Network:
    return Network([*(Dense(64, activation="relu") for _ in range(n)), Dense(10)], input_shape=784)


def everything():
    """One object of each kind, and some of the largest and smallest of each."""
    model, wide = make_model([EVIL, "x" * 500]), deep(60)
    several = horn.TrainingOptions(
        n_submodels=[8] * 500, class_weight={EVIL: 2.0, **dict.fromkeys(range(999), 1)}
    )
    return {
        "network": deep(2),
        "deep network": wide,
        "linear network": Network([Dense(3)], input_shape=4),
        "partition": Partition.draw(deep(2), 4),
        "partition of many": Partition.draw(wide, 32),
        "whole": Partition.draw(deep(2), 1),
        "nothing divided": Partition.draw(Network([Dense(3)], input_shape=4), 2),
        "options": several,
        "default options": TrainingOptions(),
        "model": model,
        "many classes": make_model([f"class {i}" for i in range(5000)]),
        "ensemble": Ensemble((model, model), 1.5),
        "history": history(12),
        "long history": history(2000),
        "a round": history(1),
        "no rounds": History(),
        "not validated": history(4, scored=False),
        "result": TrainingResult(model, history(3), best_round=2, stopped=EVIL),
    }  # fmt: skip


EVERYTHING = everything()
SHOWN = pytest.mark.parametrize("shown", EVERYTHING.values(), ids=EVERYTHING)


@SHOWN
def test_html_is_whole_and_nothing_in_it_runs_or_is_loaded(shown):
    found = page(shown)
    assert {name for name, _ in found.elements}.isdisjoint({"script", "img", "link", "iframe"})
    for _, attributes in found.elements:
        assert not any(name.startswith("on") or name in ("href", "src") for name in attributes)
    assert "http" not in shown._repr_html_()


@SHOWN
def test_the_page_decides_what_is_light_and_what_is_dark(shown):
    """Text has no colour of its own, but on a colour; nothing has a background that is a grey."""
    html = shown._repr_html_()
    assert html.startswith('<div class="horn"><style>')
    style = html[html.index("<style>") : html.index("</style>")]
    assert not re.search(
        r"[ ;{]color:|#[0-9a-f]{3}|black|white|gr[ae]y", style.replace("white-space", "")
    )
    for _, attributes in page(shown).elements:
        inline = attributes.get("style") or ""
        assert "background: #" in inline or "color:" not in inline


@SHOWN
def test_text_is_read_in_one_look(shown):
    assert len(repr(shown)) < 500
    assert "\n" not in repr(shown)


@SHOWN
def test_html_is_small_enough_for_a_notebook(shown):
    long = isinstance(shown, History) and len(shown) > 1000
    assert len(shown._repr_html_()) < (600_000 if long else 120_000)


def test_labels_are_shown_as_they_are():
    found = page(make_model([EVIL, "ok"]))
    assert EVIL in found.text
    assert EVIL in page(EVERYTHING["result"]).text
    assert EVIL in page(EVERYTHING["options"]).text


def test_pieces_escape_all_but_html():
    assert pieces.tag("b", "<i>", pieces.tag("i", "&")) == "<b>&lt;i&gt;<i>&amp;</i></b>"
    assert pieces.tag("b", "x", css='"><script>') == '<b class="&quot;&gt;&lt;script&gt;">x</b>'
    assert pieces.joined(["<", pieces.Html("<br/>")], " & ") == "&lt; &amp; <br/>"


def test_a_network_shows_layers_and_what_sub_models_hold():
    network = Network([Dense(800, "relu"), horn.Dropout(0.5), Dense(800, "relu"), Dense(10)], 784)
    text = page(network).text
    assert "784-800-800-10 1,276,810 parameters (5.1 MB) loss cross_entropy" in text
    assert "dense_1 Dense(800, activation='relu') 800 628,000" in text
    assert "dropout_1 Dropout(0.5) 800 –" in text
    assert "total 1,276,810" in text
    assert "2 478,410 37% 75% 4 199,210 16% 62% 8" in text


def test_narrow_networks_are_divided_into_few():
    assert "sub-models" not in page(Network([Dense(3)], input_shape=4)).text
    text = page(Network([Dense(3, "relu"), Dense(2)], input_shape=4)).text
    assert text.endswith("together 2 12 52% 100%")


def test_a_partition_shows_sizes_and_units():
    partition = Partition(2, {"wide": np.repeat([0, 1, 0, 1], [5, 20, 30, 45])})
    found = page(partition)
    assert "wide 100 units, 35 to 65 each 35 65" in found.text
    grows = [a["style"] for _, a in found.elements if "flex:" in (a.get("style") or "")]
    assert ["flex: 35 1 0" in grows[0], "flex: 65 1 0" in grows[1]] == [True, True]
    drawn = {a["fill"]: a["d"] for name, a in found.elements if name == "path"}
    lengths = {fill: [int(n) for n in re.findall(r"h(\d+)", d)] for fill, d in drawn.items()}
    assert lengths == {colour_of(0): [5, 30], colour_of(1): [20, 45]}


def test_of_wide_axes_the_first_units_are_drawn():
    partition = Partition.draw(Network([Dense(5000, "relu"), Dense(2)], 3), 2)
    found = page(partition)
    assert "5,000 units" in found.text and "the first 400 drawn" in found.text
    paths = "".join(a["d"] for name, a in found.elements if name == "path")
    assert sum(int(n) for n in re.findall(r"h(\d+)", paths)) == 400
    assert max(int(n) for n in re.findall(r" (\d+)h", paths)) == 3  # four rows of 100
    assert page(Partition.draw(deep(2), 1)).count("path") == 0


def test_options_that_differ_stand_out():
    found = page(TrainingOptions(n_groups=4, merge="ensemble", n_rounds=30))
    words, folded = found.text.split("31 at their defaults")
    assert "2 of 33 set" in words
    assert "n_groups 4 1" in words and "merge 'ensemble' 'average'" in words
    assert "n_rounds 30" in folded and "learning_rate None" in folded
    assert "all at their defaults" in page(TrainingOptions()).text


def test_models_say_what_they_predict_and_whether_they_are_calibrated():
    text = page(make_model(["ant", "bee", "cow"])).text
    assert "samples of 5" in text and "3 classes ant bee cow" in text
    assert "temperature 1 not calibrated" in text and "trained on cpu" in text
    assert "temperature 1.25 calibrated" in page(make_model(temperature=1.25)).text
    assert "cuda, predicts on cpu" in page(make_model(device="cuda")).text
    many = page(make_model([f"class {i:04}" for i in range(50)])).text
    assert "class 0019 and 30 more" in many and "class 0020" not in many


def test_ensembles_say_how_many_members_they_have():
    members = (make_model(temperature=1.2), make_model(temperature=0.8))
    text = page(Ensemble(members, 1.5)).text
    assert "Ensemble 2 members 5-8-2 66 parameters (0.3 kB) each" in text
    assert "temperature 1.5 calibrated ; the members' own: 1.2, 0.8" in text
    assert "Ensemble 1 member 5" in page(Ensemble(members[:1])).text


def test_a_history_marks_the_best_round():
    scores = [0.5, 0.9, 0.8]
    found = page(History([record(i, score=score) for i, score in enumerate(scores, start=1)]))
    assert "3 rounds best 2, score 0.9000 0.8 s 3,000 samples seen 6.0 MB moved" in found.text
    rows = [a.get("class") for name, a in found.elements if name == "tr"]
    assert rows == [None, None, "horn-best", None]
    (dot,) = [a for name, a in found.elements if name == "circle"]
    assert dot["fill"] == BEST


def test_many_rounds_are_folded():
    def opened(shown):
        (fold,) = [a for name, a in page(shown).elements if name == "details"]
        return "open" in fold

    assert opened(history(3)) and not opened(history(30))
    assert page(history(30)).count("tr") == 31


def test_nothing_about_validation_where_nothing_was_validated():
    text = page(history(2, scored=False)).text
    assert "score" not in text and "validation" not in text


def test_curves_are_broken_where_a_value_is_missing():
    values = [1.0, float("nan"), 3.0, 4.0]
    drawn = small_plot("loss", [Curve("", "#000000", list(enumerate(values)))])
    path = max(re.findall(r' d="([^"]+)" fill="none"', drawn), key=len)
    assert path.count("M") == 2 and path.count("L") == 1
    assert small_plot("loss", [Curve("", "#000000", [(1, float("nan"))])]) == ""


def test_curves_of_many_rounds_have_few_points():
    drawn = small_plot("loss", [Curve("", "#000000", [(i, i % 7) for i in range(10_000)])])
    assert len(drawn) < 8000


def test_losses_that_span_decades_are_logarithmic():
    assert "logarithmic" in page(History([record(1, loss=1.0), record(2, loss=1e-3)])).text
    assert "logarithmic" not in page(history(3)).text


def test_a_result_tells_how_the_run_ended():
    result = TrainingResult(make_model(), history(3), best_round=2, stopped_early=True)
    shown = page(result).text
    assert f"TrainingResult {result.ending} the model is that of round 2 Model" in shown


@pytest.fixture(scope="module")
def fitted():
    X = np.random.default_rng(0).normal(size=(40, 3))
    clf = horn.HornClassifier(hidden_layer_sizes=(8,), n_rounds=2, random_state=0)
    return clf.fit(X, np.where(X[:, 0] > 0, EVIL, "other"))


def test_estimators_keep_scikit_learns_diagram(fitted):
    before = horn.HornClassifier(n_rounds=2)
    assert "sk-top-container" in before._repr_html_()
    assert "horn-card" not in before._repr_html_()
    for html in (fitted._repr_html_(), fitted._repr_mimebundle_()["text/html"]):
        assert "sk-top-container" in html
        assert html.count('class="horn"') == 1
        own = _Page(html[html.index('<div class="horn">') :])
        assert "model_ Model(3-8-2, 50 parameters, 2 classes)" in own.text
        assert "history_ History(2 rounds, undivided, loss " in own.text
        assert EVIL in own.text and own.count("script") == 0
    assert "horn-card" in make_pipeline(fitted)[-1]._repr_html_()
    assert "HornClassifier" in make_pipeline(fitted)._repr_html_()


def test_estimators_show_text_where_scikit_learn_is_set_to(fitted):
    with config_context(display="text"):
        assert not hasattr(fitted, "_repr_html_")
        assert set(fitted._repr_mimebundle_()) == {"text/plain"}
