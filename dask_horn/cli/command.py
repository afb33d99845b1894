"""What all commands share: help in sections, errors in one sentence, and exit codes."""

from __future__ import annotations

import dataclasses
import functools
import re
import signal
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import click

from dask_horn.errors import HornError

_MISTAKES = (ValueError, TypeError, FileNotFoundError, FileExistsError)
_MISTAKE, _FAILURE = 2, 1


class SectionOption(click.Option):
    """An option that the help lists in a section."""

    def __init__(self, *args: Any, section: str = "Options", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.section = section


def option(
    *names: str, section: str, **attributes: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare an option in a section; the help shows its default, if it has one."""
    attributes.setdefault("show_default", not attributes.get("is_flag", False))
    return click.option(*names, cls=SectionOption, section=section, **attributes)


def integers(
    ctx: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Read integers separated by commas: a callback for an option."""
    if value is None:
        return None
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"must be integers separated by commas, such as 800,800, got {value!r}"
        ) from None


def gather(
    name: str, kind: type[Any], options: Sequence[Callable[..., Any]]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add options to a command, which gets them as one argument.

    Parameters
    ----------
    name : str
        The command's argument.
    kind : type
        A dataclass whose fields are the options' names.
    options : sequence of decorators
        As `option` makes them.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def gathered(**values: Any) -> None:
            own = {field.name: values.pop(field.name) for field in dataclasses.fields(kind)}
            command(**{name: kind(**own)}, **values)

        for add in reversed(options):
            gathered = add(gathered)
        return gathered

    return decorate


class _WithExamples(click.Command):
    """A command whose help ends with examples, shown as they are written."""

    def __init__(self, *args: Any, examples: str = "", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.examples = examples.strip()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the examples as they are written."""
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples.splitlines():
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")


class OptionError(ValueError):
    """A wrong option; the message already names it."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or another signal that ends a command: the exit code is 128 and its number."""

    def __init__(self, number: signal.Signals, words: str = "") -> None:
        super().__init__(words)
        self.signal = number


class Group(_WithExamples, click.Group):
    """The main command, which only holds others."""


class Command(_WithExamples):
    """A command whose help has sections, and whose errors are one sentence."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        debug = click.Option(
            ["--debug"], is_flag=True, hidden=True, expose_value=False, callback=_note_debug
        )
        self.params.append(debug)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options by section, in the order of their declaration."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                section = getattr(parameter, "section", "Other")
                sections.setdefault(section, []).append(record)
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records)

    def invoke(self, ctx: click.Context) -> Any:
        """Run; show errors as one sentence, unless --debug asks for the traceback."""
        if ctx.meta.get("debug"):
            return super().invoke(ctx)
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            number = stop.signal if isinstance(stop, Interrupted) else signal.SIGINT
            click.echo(str(stop) or "Stopped.", err=True)
            ctx.exit(128 + number)
        except HornError as error:  # first, since some of these are ValueErrors too
            self._tell(error, ctx, _FAILURE)
        except _MISTAKES as error:
            self._tell(error, ctx, _MISTAKE)
        except BrokenPipeError:  # as after `| head`: click ends silently
            raise
        except OSError as error:
            self._tell(error, ctx, _FAILURE)

    def _tell(self, error: Exception, ctx: click.Context, code: int) -> NoReturn:
        click.echo(f"Error: {self._in_options(error)}", err=True)
        ctx.exit(code)

    def _in_options(self, error: Exception) -> str:
        """Name this command's options in place of the library's arguments."""
        words = str(error)
        if isinstance(error, OptionError):
            return words
        for parameter in self.params:
            if not isinstance(parameter, click.Option) or parameter.name is None:
                continue
            name, spelt = parameter.name, parameter.opts[0]
            words = re.sub(rf"\b{name}=True\b", spelt, words)
            words = re.sub(rf"\b{name}=", f"{spelt} ", words)
            if "_" in name:  # a name such as `merge` is a word of ordinary sentences too
                words = re.sub(rf"\b{name}\b", spelt, words)
        return words


def _note_debug(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    ctx.meta["debug"] = value


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Show a warning's message without its place in the library."""
    if issubclass(category, UserWarning):
        click.echo(f"Warning: {message}", err=True)
