"""Text of documents made fit for a terminal: what was crawled must not steer it, and where there
are no colours, marks have to stand in their place."""

from __future__ import annotations

from rich.console import Console


def printable(text: str) -> str:
    """The text with every control character but white space replaced by U+FFFD."""
    return "".join(c if c.isprintable() or c.isspace() else "�" for c in text)


def one_line(text: str, most: int = 300) -> str:
    """One line of at most so many characters, without control characters."""
    flat = " ".join(printable(text).split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


def without_colours(console: Console) -> bool:
    """Whether colours would be lost: the output is a file or a pipe, or ``NO_COLOR`` is set."""
    return not console.is_terminal or console.no_color
