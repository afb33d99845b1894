"""What all commands share: help in sections, errors of one sentence, and how they stop."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import click

from dask_horn.errors import HornError

__all__ = ["Command", "Group", "Told", "integers", "option"]

_MISTAKES = (ValueError, TypeError, FileNotFoundError, FileExistsError)
_MISTAKE, _FAILURE, _INTERRUPTED = 2, 1, 130


class SectionOption(click.Option):
    """An option that is listed in a section of its own in the help."""

    def __init__(self, *args: Any, section: str = "Options", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.section = section


def option(
    *names: str, section: str, **attributes: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare an option of a section; its default is shown, where it has one."""
    attributes.setdefault("show_default", not attributes.get("is_flag", False))
    return click.option(*names, cls=SectionOption, section=section, **attributes)


def integers(
    ctx: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Read whole numbers with commas between them: a callback for an option."""
    if value is None:
        return None
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of whole numbers such as 800,800") from None


class _WithExamples(click.Command):
    """A command whose help ends with examples, shown as they are written."""

    def __init__(self, *args: Any, examples: str = "", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.examples = examples.strip()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the examples, line by line."""
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples.splitlines():
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")


class Told(ValueError):
    """A mistake that is told in this command's own words already."""


class Group(_WithExamples, click.Group):
    """The command that only holds others."""


class Command(_WithExamples):
    """A command whose mistakes end in one sentence, and whose help has sections."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        debug = click.Option(
            ["--debug"], is_flag=True, hidden=True, expose_value=False, callback=_note_debug
        )
        self.params.append(debug)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options by section, in the order in which they are declared."""
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
        """Run; tell mistakes and failures in a sentence, unless --debug is given."""
        if ctx.meta.get("debug"):
            return super().invoke(ctx)
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            click.echo(str(stop) or "Stopped.", err=True)
            ctx.exit(_INTERRUPTED)
        except HornError as error:  # first, since some of these are ValueErrors too
            self._tell(error, ctx, _FAILURE)
        except _MISTAKES as error:
            self._tell(error, ctx, _MISTAKE)
        except BrokenPipeError:  # as `| head` leaves: click ends without a word
            raise
        except OSError as error:
            self._tell(error, ctx, _FAILURE)

    def _tell(self, error: Exception, ctx: click.Context, code: int) -> NoReturn:
        click.echo(f"Error: {self._in_options(error)}", err=True)
        ctx.exit(code)

    def _in_options(self, error: Exception) -> str:
        """Say the error with this command's options for the library's arguments."""
        words = str(error)
        if isinstance(error, Told):
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
    """Say what concerns the user; where in the library it arose does not."""
    if issubclass(category, UserWarning):
        click.echo(f"Warning: {message}", err=True)
