"""The section of RESULTS.md, from the networks that are done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.report import markdown_table

__all__ = ["Row", "render"]

#: Kind and inference of a row, errors of the single networks, and of all of them voting.
Row = tuple[str, str, Sequence[float], float]

_PAPER: Mapping[str, str] = {
    "no-drop": "1.62 ± 0.037 / 1.40",
    "dropout": "1.28 ± 0.040 / 1.20",
    "dropconnect": "1.20 ± 0.034 / 1.12",
}
_SINGLE_GOAL, _VOTING_GOAL, _VOTERS = 1.35, 1.25, 5


def render(rows: Sequence[Row], divided: Sequence[Row], epochs: int, seconds: float) -> str:
    """Write the tables and the goals."""
    header = ("network", "inference", "networks", "error, %", "voting, %", "the paper's")
    table = markdown_table(header, [_cells(row, _PAPER[row[0]]) for row in rows])
    text = (
        f"784-800-800-10, relu, pixels in [0, 1], no augmentation, {epochs} epochs (the paper: "
        "1,020), batch 128, momentum 0.9 never reset, learning rate 0.1 by the paper's steps in "
        "proportion (0.59 of the epochs; then times ½ and ⅒ for 0.2 each; then times 0.05, 0.01, "
        "0.005, 0.001), weights from N(0, 0.1), rate 0.5: dropout of both hidden layers' outputs, "
        "DropConnect of their weights and biases. Weights are the paper's, not scaled up where "
        "they are kept: so are their start and rate. It drives the library's programs in one "
        "process, for rounds reset momentum. All 60,000 images train; the 10,000 test images are "
        "looked at once, behind the last epoch. Sampling takes 1,000 draws of each sum, layer by "
        f"layer. Mean ± standard deviation over seeds. {seconds / 3600:.1f} hours of training on "
        f"one core, which was shared.\n\n{table}"
    )
    if divided:
        header = ("divided in two", "inference", "networks", "error, %", "voting, %", "")
        text += (
            "\n\nThe same network in the library's own rounds, one group of two sub-models which "
            "end as one, SGD at a rate of 0.025, which is the paper's for weights that are scaled "
            "up where they are kept, one pass a round, all else as `dask_horn.train` has it:\n\n"
            + markdown_table(header, [_cells(row, "") for row in divided])
        )
    return f"{text}\n\n{_goals(rows)}"


def _cells(row: Row, paper: str) -> tuple[str, ...]:
    kind, inference, errors, voting = row
    spread = f" ± {np.std(errors, ddof=1):.3f}" if len(errors) > 1 else ""
    together = f"{voting:.2f}" if len(errors) > 1 else "–"
    return kind, inference, f"{len(errors)}", f"{np.mean(errors):.2f}{spread}", together, paper


def _goals(rows: Sequence[Row]) -> str:
    found = {(kind, inference): (errors, voting) for kind, inference, errors, voting in rows}
    if ("dropconnect", "sample") not in found or ("no-drop", "mean") not in found:
        return "The goals are told when there is a network of each kind."
    errors, voting = found["dropconnect", "sample"]
    single, plain = float(np.mean(errors)), float(np.mean(found["no-drop", "mean"][0]))
    kept = "kept" if single <= _SINGLE_GOAL and single < plain else "missed"
    text = (
        f"The goal: DropConnect, single, at most {_SINGLE_GOAL} % and below no-drop: {kept}, at "
        f"{single:.2f} against {plain:.2f}. "
    )
    if len(errors) < _VOTERS:
        return f"{text}{_VOTERS} of them voting: not yet measured."
    together = "kept" if voting <= _VOTING_GOAL else "missed"
    return f"{text}{_VOTERS} of them voting at most {_VOTING_GOAL} %: {together}, at {voting:.2f}."
