"""Layers as a line of text, such as ``Dense(800, activation='relu')``: the form of their repr.

The text is parsed as Python, but never run.
"""

from __future__ import annotations

import ast
import difflib
from typing import Any

from dask_horn.network.layers import Layer
from dask_horn.network.registry import LAYERS

_KINDS = {kind.__name__: kind for kind in LAYERS.values()}


def layers_from_text(text: str) -> list[Layer]:
    """Return the layers that a line of text describes.

    Parameters
    ----------
    text : str
        Layers in Python's notation, separated by commas: ``Dense(800, activation='relu'),
        Dropout(0.5)``. Brackets around them are optional. Arguments are numbers, strings, True,
        False, None, or tuples of these.

    Raises
    ------
    ValueError
        If the text is anything else, or a layer is unknown or does not take its arguments.

    Examples
    --------
    >>> layers_from_text("Dense(800, activation='relu'), Dropout(0.5)")
    [Dense(800, activation='relu'), Dropout(0.5)]
    """
    one_line = " ".join(text.split()).removesuffix(",")
    if not one_line:
        return []
    try:
        parsed = ast.parse(f"{one_line},", mode="eval").body
        if not isinstance(parsed, ast.Tuple):  # as the comma makes it, unless a # hides the comma
            raise ValueError("comments are not allowed")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or str(error)
        raise ValueError(
            f"layers must be text such as \"Dense(800, activation='relu'), Dropout(0.5)\", got "
            f"{text!r}: {reason}"
        ) from None
    [*parts] = parsed.elts
    if len(parts) == 1 and isinstance(parts[0], ast.List | ast.Tuple):  # in brackets
        parts = parts[0].elts
    return [_layer(call) for call in parts]


def _layer(call: ast.expr) -> Layer:
    written = ast.unparse(call)
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ValueError(f"layers must be written as Dense(800, activation='relu'), got {written}")
    name = call.func.id
    if name not in _KINDS:
        near = difflib.get_close_matches(name, _KINDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_KINDS)}"
        raise ValueError(f"layers: unknown layer {name}; {hint}")
    try:
        arguments = [_value(argument) for argument in call.args]
        named: dict[str, Any] = {}
        for keyword in call.keywords:
            if keyword.arg is None:
                raise ValueError("** is not allowed")
            named[keyword.arg] = _value(keyword.value)
        return _KINDS[name](*arguments, **named)
    except (TypeError, ValueError) as error:
        raise ValueError(f"layers: cannot make {written}: {error}") from None


def _value(written: ast.expr) -> Any:
    try:
        return ast.literal_eval(written)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise ValueError(
            f"arguments must be numbers, strings, True, False, None or tuples of these, got "
            f"{ast.unparse(written)}"
        ) from None
