"""Choosing defaults: candidates on splits and data sets that no report uses.

    python -m benchmarks.method.choosing --data FOLDER
    python -m benchmarks.method.choosing --data FOLDER --candidate '{"dropout": 0.1}'

The first does the study of `CANDIDATES` and writes its section; the second has a look at one
candidate or several and prints the table. Their records stand apart, and those of a look count
for the library's sources as they are: after a change it measures anew.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

import dask_horn as horn
from benchmarks.datasets import REGRESSION, data_option, mnist, table
from benchmarks.generated import GENERATED, N_TEST, Split
from benchmarks.method.estimators import fitted, ours, theirs, warm_up
from benchmarks.method.study import Record, Settings, Study, grouped
from benchmarks.report import markdown_table

SKLEARN = "sklearn"
#: Settings of the estimators that are tried; scikit-learn's defaults are always beside them.
CANDIDATES: list[dict[str, Any]] = [
    {},
    {"redraw": True},
    {"n_submodels": 1},
    {"n_submodels": 4},
    {"n_submodels": 4, "redraw": True},
    {"n_submodels": 8},
    {"dropout": 0.1},
]

_OUTER_SEED = 2026  # of the fifth that is set aside; the report's folds have others
_FEW = 2000  # rows; above it one of the inner folds is enough
_DRAWS = 3  # of a generated data set
_NAMED = (
    "iris", "wine", "breast_cancer", "digits", "letter_recognition", "higgs_sample",
    "diabetes", "california_housing",
)  # fmt: skip
CHEAP = (*_NAMED, *GENERATED)
COSTLY = ("mnist",)


def work(folder: Path, settings: Settings) -> dict[str, Any]:
    """Score one candidate on the folds or draws of one data set."""
    name, candidate = settings["data"], settings["candidate"]
    regression = is_regression(name)
    if candidate != SKLEARN:
        warm_up(regression)
    scores, seconds = [], []
    for seed, split in enumerate(splits(folder, name)):
        if candidate == SKLEARN:
            model = theirs(regression, seed)
        else:
            model = ours(regression, seed, **json.loads(candidate))
        try:
            score, time = fitted(model, split)
        except horn.DivergedError:  # the table says so, and the other data sets are not lost
            score, time = math.nan, math.nan
        scores.append(100 * score)
        seconds.append(time)
    return {"scores": np.round(scores, 3).tolist(), "seconds": np.round(seconds, 2).tolist()}


def is_regression(name: str) -> bool:
    return GENERATED[name].regression if name in GENERATED else name in REGRESSION


def splits(folder: Path, name: str) -> Iterator[Split]:
    """The draws of a generated data set; inner folds of four fifths of any other."""
    if name in GENERATED:
        yield from (GENERATED[name].draw(seed) for seed in range(_DRAWS))
        return
    if name == "mnist":  # its test images are the report's
        images, labels = mnist(folder, "train")
        yield Split(images[:50_000], labels[:50_000], images[50_000:], labels[50_000:])
        return
    X, y = table(folder, name)
    regression = is_regression(name)
    X, _, y, _ = train_test_split(
        X, y, test_size=0.2, random_state=_OUTER_SEED, stratify=None if regression else y
    )
    kind = KFold if regression else StratifiedKFold
    folds = list(kind(5, shuffle=True, random_state=_OUTER_SEED).split(X, y))
    for train, test in folds[: 5 if len(X) < _FEW else 1]:
        yield Split(X[train], y[train], X[test], y[test])


def render(records: Sequence[Record]) -> str:
    """Differences to scikit-learn by data set, their means, and the worst."""
    shown = {key: group[0].measured for key, group in grouped(records, "data", "candidate").items()}
    sets = list(dict.fromkeys(data for data, _ in shown))
    tried = [key for key in dict.fromkeys(candidate for _, candidate in shown) if key != SKLEARN]
    base = {name: shown[name, SKLEARN]["scores"] for name in sets}
    differences = {
        (name, key): np.subtract(shown[name, key]["scores"], base[name])
        for name in sets
        for key in tried
    }
    rows = [
        [_label(name), f"{np.mean(base[name]):.2f}"]
        + [_with_error(differences[name, key]) for key in tried]
        for name in sets
    ]
    for title, chosen in (
        ("mean, classification", [name for name in sets if not is_regression(name)]),
        ("mean, regression", [name for name in sets if is_regression(name)]),
    ):
        if chosen:
            means = [np.mean([differences[name, key].mean() for name in chosen]) for key in tried]
            baseline = np.mean([np.mean(base[name]) for name in chosen])
            rows.append([title, f"{baseline:.2f}", *(f"{mean:+.2f}" for mean in means)])
    worst = [min(differences[name, key].mean() for name in sets) for key in tried]
    rows.append(["worst", "", *(f"{value:+.2f}" for value in worst)])
    times = [sum(sum(shown[name, key]["seconds"]) for name in sets) for key in (SKLEARN, *tried)]
    rows.append(["seconds of all fits", *(f"{seconds:.0f}" for seconds in times)])
    return _INTRODUCTION + markdown_table(("data set", "scikit-learn", *tried), rows)


_INTRODUCTION = (
    "Accuracy or R², in per cent: scikit-learn's, and what each candidate has more (± standard "
    "error of the paired differences). Data sets of the report: inner 5-fold cross-validation "
    f"within four fifths of the rows (split of seed {_OUTER_SEED}), one fold above {_FEW} rows; "
    f"generated ones: {_DRAWS} draws, tested on {N_TEST:,} further rows. nan: it diverged.\n\n"
)


def _label(name: str) -> str:
    return f"{name} ({'R²' if is_regression(name) else 'accuracy'})"


def _with_error(differences: Any) -> str:
    mean = f"{differences.mean():+.2f}"
    if differences.size < 2:
        return mean
    return f"{mean} ± {differences.std(ddof=1) / differences.size**0.5:.2f}"


def study(
    candidates: Sequence[dict[str, Any]], sets: Sequence[str], code: str | None = None
) -> Study:
    """Make the study of these candidates; with `code`, the sources' digest, a look at them."""
    texts = dict.fromkeys(json.dumps(candidate, sort_keys=True) for candidate in candidates)
    marks = {"code": code} if code else {}
    runs: list[Settings] = [{"data": name, "candidate": SKLEARN} for name in sets]
    runs += [{"data": name, "candidate": text, **marks} for text in texts for name in sets]
    return Study(
        name="choosing-look" if code else "choosing",
        title="Choosing defaults",
        runs=runs,
        work=work,
        render=render,
    )


def _digest() -> str:
    """Tell one state of the library's sources from another."""
    root = Path(horn.__file__).parent
    sources = b"".join(path.read_bytes() for path in sorted(root.rglob("*.py")))
    return hashlib.sha256(sources).hexdigest()[:12]


@click.command()
@data_option
@click.option("--candidate", "candidates", multiple=True, help="A look at settings, in JSON.")
@click.option("--set", "sets", multiple=True, type=click.Choice([*CHEAP, *COSTLY]))
@click.option("--processes", default=os.cpu_count() or 1, show_default=True)
def main(folder: Path, candidates: tuple[str, ...], sets: tuple[str, ...], processes: int) -> None:
    """Score candidates for the defaults against scikit-learn's, away from the report's folds."""
    if not candidates and not sets:
        study(CANDIDATES, CHEAP).report(folder, processes)
        return
    tried = [json.loads(text) for text in candidates] or CANDIDATES
    look = study(tried, sets or CHEAP, code=_digest())
    click.echo(look.render(look.measure(folder, processes)))


if __name__ == "__main__":
    main()
