"""A picture of errors beside the peers', table by table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.tables.recipes import OURS, RECIPES
from benchmarks.tables.sets import FOLDS, SETS
from benchmarks.tables.summary import Tables, compared

__all__ = ["draw"]

# What users of tables would pick, with Okabe and Ito's colours and a mark for those who see none.
_PEERS = {
    "lightgbm": ("#0072B2", "o"),
    "xgboost": ("#E69F00", "s"),
    "sklearn_hist": ("#009E73", "D"),
    "sklearn_mlp": ("#CC79A7", "^"),
    "realmlp": ("#000000", "x"),
}


def draw(tables: Tables, path: Path) -> None:
    """Draw a row for each table, the one that suits us least at the top; stored ones are bold."""
    ratios = {
        name: {
            peer: ratio.factor
            for peer in _PEERS
            if (ratio := compared({name: tables[name]}, OURS, peer)) is not None
        }
        for name in tables
        if name != FOLDS
    }
    ratios = {name: found for name, found in ratios.items() if found}
    order = sorted(ratios, key=lambda name: np.mean(np.log(list(ratios[name].values()))))
    figure = Figure(figsize=(7.5, 0.26 * len(order) + 1.4), layout="constrained")
    axes = figure.subplots()
    for peer, (colour, mark) in _PEERS.items():
        places = [(ratios[name][peer], y) for y, name in enumerate(order) if peer in ratios[name]]
        if places:
            x, y = zip(*places, strict=True)
            face = {} if mark == "x" else {"facecolors": "none", "linewidths": 1.4}
            axes.scatter(x, y, color=colour, marker=mark, s=34, label=RECIPES[peer].title, **face)
    axes.axvline(1, color="0.4", linewidth=1)
    axes.set_xscale("log")
    marks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2]
    axes.set_xticks(marks, [f"{mark:g}" for mark in marks], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_yticks(range(len(order)), order)
    for label, name in zip(axes.get_yticklabels(), order, strict=True):
        label.set_fontweight("bold" if SETS[name].load else "normal")
    axes.set_xlabel("our error over theirs: left of the line ours is lower")
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    if axes.collections:
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, dpi=130)
