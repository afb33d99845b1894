"""`--storage-option`: what opens the URLs of a command."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import click

from dask_horn.cli.command import option

_FORMS = "NAME=VALUE, such as anon=true, or @FILE.json with an object of options"


def _read(
    ctx: click.Context, parameter: click.Parameter, given: Sequence[str]
) -> dict[str, Any] | None:
    """Make one mapping of all: values are JSON where they can be, and dots begin mappings."""
    options: dict[str, Any] = {}
    for text in given:
        if text.startswith("@"):
            options |= _object(_content(text[1:]))
        elif text.lstrip().startswith("{"):
            options |= _object(text)
        else:
            _put(options, text)
    return options or None


def _put(options: dict[str, Any], text: str) -> None:
    name, equals, value = text.partition("=")
    if not equals or not all(name.split(".")):  # the text may be a secret: it is not repeated
        raise click.BadParameter(f"must be {_FORMS}")
    *outer, last = name.split(".")
    for part in outer:
        options = options.setdefault(part, {})
    try:
        options[last] = json.loads(value)
    except ValueError:
        options[last] = value


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise click.BadParameter(f"must be {_FORMS}")
    return found


def _content(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read ({error.strerror})") from None


storage_option: Callable[..., Any] = option(
    "--storage-option",
    "storage_options",
    multiple=True,
    callback=_read,
    metavar="NAME=VALUE",
    section="Files",
    show_default=False,
    help="An option for fsspec, such as anon=true or client_kwargs.endpoint_url=URL, for all that "
    "is at a URL; may be repeated. @FILE.json reads an object of options, which keeps secrets off "
    "the command line.",
)
