"""Tables that are written alike for a terminal and a pull request; pages take them too."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tamis.printable import one_line

INDENT = "  "
"""Before a note that belongs to the one above it."""


@dataclass(frozen=True)
class Section:
    """One table, with a title and sentences below it. The first ``words`` columns are words, with
    ``remarks`` the last one too; all others are numbers."""

    title: str
    headers: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    notes: list[str] = field(default_factory=list)
    words: int = 1
    remarks: bool = False

    def is_words(self, column: int) -> bool:
        """Whether a column is words, which stand to the left."""
        return column < self.words or (self.remarks and column == len(self.headers) - 1)


def show_sections(console: Console, sections: Iterator[Section]) -> None:
    """Prints tables on a terminal."""
    for section in sections:
        if section.headers:
            # not the table's own, which is wrapped where the table is narrower
            console.print(Text(section.title, "table.title"))
            table = Table(
                box=box.SIMPLE_HEAD,
                pad_edge=False,
                collapse_padding=True,
            )
            for number, header in enumerate(section.headers):
                justify: JustifyMethod = "left" if section.is_words(number) else "right"
                table.add_column(escape(header), justify=justify, overflow="fold")
            for row in section.rows:
                table.add_row(*(escape(cell) for cell in row))
            console.print(table)
        else:
            console.print(section.title, markup=False)
        for note in section.notes:
            inset = (0, 0, 0, 2 * len(INDENT) if note.startswith(INDENT) else 0)
            console.print(Padding(Text(note.strip(), "dim"), inset, expand=False))
        if section.notes:
            console.print()


def as_markdown(sections: Iterator[Section], level: int = 3) -> str:
    """The tables for a pull request, under headings of a ``level``."""
    lines: list[str] = []
    for section in sections:
        lines += [f"{'#' * level} {_plain(section.title)}", ""]
        if section.headers and section.rows:
            marks = (":--" if section.is_words(n) else "--:" for n in range(len(section.headers)))
            lines += [_row(section.headers), _row(tuple(marks), raw=True)]
            lines += [_row(row) for row in section.rows]
            lines.append("")
        for note in section.notes:
            depth = INDENT if note.startswith(INDENT) else ""
            lines.append(f"{depth}- {_plain(note.strip())}")
        lines += [""] * bool(section.notes)
    return "\n".join(lines)


def _row(cells: Sequence[str], raw: bool = False) -> str:
    return f"| {' | '.join(cell if raw else _plain(cell) for cell in cells)} |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: what was crawled must not become a link or a tag."""
    flat = html.escape(one_line(text, 400), quote=False)
    return "".join(f"\\{c}" if c in "\\`*_[]|#!~@" else c for c in flat)
