"""Where the commands print, and how they tell faults: plainly, with an honest exit code."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer
from rich.console import Console
from rich.text import Text

P = ParamSpec("P")
_PLAIN_WIDTH = 132
"""Columns of the tables where the output is a file or a pipe."""
out = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
err = Console(stderr=True, width=None if sys.stderr.isatty() else _PLAIN_WIDTH)


def told_plainly(command: Callable[P, None]) -> Callable[P, None]:
    """The command, with faults of input, recipe or workspace told in plain words, their notes
    below: exit code 2 for what the user gave, 1 for a task that failed, 130 for Ctrl-C."""

    @functools.wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except typer.Exit:
            raise
        except KeyboardInterrupt as stop:
            went_on = "Nothing is lost: the same command goes on from here."
            message = " ".join(["Interrupted.", *getattr(stop, "__notes__", [went_on])])
            code = 130
        except Exception as error:
            plainly = _plainly(error)
            if plainly is None:
                raise
            message, code = plainly
            message = "\n  ".join([message, *getattr(error, "__notes__", [])])
        else:
            return
        err.print(Text(message), soft_wrap=True)
        raise typer.Exit(code)

    return told


def _plainly(error: Exception) -> tuple[str, int] | None:
    """What to say of a fault, and the exit code; None when it is ours. Whose fault it is, is asked
    when there is one: a command that goes well loads nothing for it."""
    from manifests.explain import NotFoundError
    from manifests.manifest import ManifestError
    from pipeline.build import WorkspaceBusyError
    from pipeline.engine import TaskFailedError
    from pipeline.recipe import RecipeError

    if isinstance(error, RecipeError | ManifestError | WorkspaceBusyError | NotFoundError):
        return str(error), 2
    if isinstance(error, TaskFailedError):
        return str(error), 1
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or error}", 1
    return None
