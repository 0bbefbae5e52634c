"""Reading Python source that anybody may have written, in this process."""

from __future__ import annotations

import ast
import warnings

MAX_CHARACTERS = 200_000
_MAX_NESTING = 150
"""Levels of brackets: far above what people write, far below what exhausts a parser's stack."""


class UnreadableCodeError(ValueError):
    """Source that Python cannot read, or that is too long or too nested to try."""


def parsed(source: str) -> ast.Module:
    """The syntax tree. Raises UnreadableCodeError, and nothing else, for whatever is no Python."""
    if len(source) > MAX_CHARACTERS or "\0" in source:
        raise UnreadableCodeError("too long, or holds NUL characters")
    depth = deepest = 0
    for character in source:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth = max(0, depth - 1)
    if deepest > _MAX_NESTING:
        raise UnreadableCodeError(f"brackets nested {deepest} deep")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in the code of others
            tree = ast.parse(source)
            compile(tree, "<source>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise UnreadableCodeError(f"{type(error).__name__}: {error}") from error
    return tree
