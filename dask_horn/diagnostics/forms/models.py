"""Models and ensembles as HTML: what they take, what they predict, and how sure they may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dask_horn.diagnostics.forms.network import in_words, layers_of, size_of
from dask_horn.diagnostics.html import Html, card, fold, joined, muted, pairs, shown, tag

if TYPE_CHECKING:
    from dask_horn.model import Ensemble, Model

_CLASSES_SHOWN = 20
_LETTERS = 60  # of a label


def model_html(model: Model | Ensemble) -> str:
    """Show a trained model, or an ensemble, as HTML.

    Parameters
    ----------
    model : Model or Ensemble

    Returns
    -------
    str
    """
    return shown(model_card(model))


def model_card(model: Model | Ensemble) -> Html:
    """Return the model without the style sheet."""
    network, members = model.network, getattr(model, "members", None)
    each = "" if members is None else " each"
    facts = [network.widths, size_of(network) + each]
    if members is not None:
        facts.insert(0, f"{len(members)} member{'s' if len(members) > 1 else ''}")
    rows: list[tuple[str, str]] = [
        ("input", f"samples of {in_words(network.input_shape)}"),
        ("output", _output(model)),
        ("loss", network.loss),
    ]
    if model.targets.kind != "values":
        rows.append(("temperature", _temperature(model, members)))
    rows.append(("trained on", _devices(model, members)))
    n = len(network.layers)
    return card(
        type(model).__name__.lstrip("_"),
        facts,
        pairs(rows),
        fold(f"{n} layer{'s' if n > 1 else ''}", layers_of(network)),
    )


def _output(model: Model | Ensemble) -> Html:
    """Tell what is predicted, with the first of the labels."""
    classes = model.classes
    if classes is None:
        return joined([model.output_in_words])
    labels = [tag("span", _short(label), css="horn-label") for label in classes[:_CLASSES_SHOWN]]
    more = len(classes) - len(labels)
    rest = [muted(f"and {more:,} more")] if more else []
    return joined([tag("div", model.output_in_words), tag("div", *labels, *rest)])


def _short(label: Any) -> str:
    text = str(label)
    return text if len(text) <= _LETTERS else f"{text[:_LETTERS]}…"


def _temperature(model: Model | Ensemble, members: Any) -> Html:
    calibrated = model.temperature != 1
    words = joined(
        [f"{model.temperature:.3g}", muted("calibrated" if calibrated else "not calibrated")], " "
    )
    own = [member.temperature for member in members or ()]
    if any(temperature != 1 for temperature in own):
        told = ", ".join(f"{temperature:.3g}" for temperature in own)
        return joined([words, muted(f"; the members' own: {told}")])
    return words


def _devices(model: Model | Ensemble, members: Any) -> str:
    first: Any = model if members is None else members[0]
    if first.predicts_on == first.device:
        return str(first.device)
    return f"{first.device}, predicts on {first.predicts_on}"
