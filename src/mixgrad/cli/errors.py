"""Errors of the user as one line on the standard error, with exit status 2; an interruption as status 130."""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from mixgrad._errors import MixgradError

BAD_INPUT = 2
INTERRUPTED = 130


class OneLineErrors(TyperGroup):
    """A group of commands whose errors are one line each, without usage text or traceback."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run the group, and exit."""
        try:
            status = super().main(*args, standalone_mode=False, **extra)
        except Exception as error:
            message = _message(error)
            if message is None or not standalone_mode:
                raise
            typer.echo(f"mixgrad: {message}", err=True)
            status = BAD_INPUT
        if standalone_mode:
            sys.exit(status if isinstance(status, int) else 0)
        return status

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("mixgrad: interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None


def _message(error: Exception) -> str | None:
    """Return the line for an error that is the user's to mend, None for any other."""
    # Typer's own errors, for bad options, have such a method; their class differs between its versions.
    format_message = getattr(error, "format_message", None)
    if format_message is not None:
        text = format_message()
    elif isinstance(error, MixgradError):
        text = str(error)
    elif isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        text = f"{name}{error.strerror or error}"
    elif isinstance(error, MemoryError):
        text = "there is not enough memory for this table"
    else:
        return None
    return " ".join(text.split())
